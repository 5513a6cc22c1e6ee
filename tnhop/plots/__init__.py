"""Figures of labelled datasets."""
