"""Campaigns attack the toolkit with random input, and know the right answers by themselves."""
