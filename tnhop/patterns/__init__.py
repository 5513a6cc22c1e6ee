"""Patterns and couplings: ensembles, corruption, Hebb's rule, discrete retrieval."""
