"""Where problems come from: presets, channels, gates, and router traces of real models."""
