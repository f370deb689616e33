"""What an answer is: one objective, one checker, one result."""
