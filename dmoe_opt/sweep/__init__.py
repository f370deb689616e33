"""Sweeps: a grid of instances and methods, run and judged by the thousand."""
