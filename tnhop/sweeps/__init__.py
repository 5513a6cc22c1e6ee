"""Many problems: tasks, executors, grids, refinement, convergence."""
