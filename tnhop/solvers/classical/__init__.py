"""Master equations and kinetic Monte Carlo of configurations."""
