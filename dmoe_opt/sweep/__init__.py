"""Methods over grids of instances: sweeps that survive, and what their results show."""
