"""A page on which one instance can be explored: solved over a grid, moved by sliders."""
