"""Methods over grids of presets, options and seeds: sweeps that survive, and what their results show."""
