"""The machinery behind the models: solvers by name, and what they report."""
