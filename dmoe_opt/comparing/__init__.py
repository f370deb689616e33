"""Run methods, policies or schedulers over many inputs, and tell the results as rows."""
