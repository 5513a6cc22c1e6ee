"""The command line."""

from tnhop.cli.program import app, main

__all__ = ["app", "main"]
