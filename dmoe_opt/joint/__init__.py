"""Experts and subcarriers together (P2): descent, bounds, and the exact method."""
