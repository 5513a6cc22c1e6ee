"""Phases of the mean-field flow: fixed points, bifurcations, limit cycles."""
