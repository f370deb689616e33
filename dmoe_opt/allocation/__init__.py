"""Subcarrier allocation (P3): links and the assignment problem."""
