"""Declarative formulations: one page for each problem and back-end, with the same names.

Every page has `build`, which states the program, and `solve`, which runs it. The letters are the
same on every page: `alpha` (experts chosen), `y` (subcarriers), `f` (flow of tokens).
"""
