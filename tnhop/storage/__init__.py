"""Files: netCDF, answers, checkpoints, folders of answers."""
