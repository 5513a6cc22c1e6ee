"""Product states: the mean-field flow."""
