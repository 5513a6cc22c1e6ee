"""Methods: immutable objects that say how a Problem is solved."""
