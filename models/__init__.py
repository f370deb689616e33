"""Declarative formulations, one page a problem and back-end, with the same names in each."""
