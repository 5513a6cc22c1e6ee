"""Density matrices as chains of real tensors: TDVP and TEBD."""
