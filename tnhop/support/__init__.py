"""Argument checks, the file form of objects, files, locks: nothing of physics."""
