"""Density matrices in full: generator, evolution, eigenpairs, stationary states."""
