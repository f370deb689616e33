"""What a problem is: in memory, in files, and what is refused."""
