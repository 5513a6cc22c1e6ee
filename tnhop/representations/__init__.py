"""Representations: pure compilers from a Model to numbers in a basis."""

__all__: list[str] = []
