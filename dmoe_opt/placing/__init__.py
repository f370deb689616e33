"""Where to put the experts: placements of least energy for a set of tokens."""
