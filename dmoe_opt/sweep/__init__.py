"""Sweeps over presets, options, seeds and methods, and what they show."""
