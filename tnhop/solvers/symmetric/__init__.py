"""Density matrices of interchangeable spins."""
