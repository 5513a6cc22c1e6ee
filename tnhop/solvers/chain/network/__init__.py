"""Chains: states, generators, gates, and the order of their sites."""
