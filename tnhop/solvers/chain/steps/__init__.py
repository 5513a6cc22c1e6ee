"""Time steps of chains: environments, truncation, Krylov spaces."""
