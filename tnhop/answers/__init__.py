"""Answers: labelled arrays with error bars, their tables, files and citations."""
