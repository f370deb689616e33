"""Declarative formulations, one page for each problem and back-end, with the same names in each."""
