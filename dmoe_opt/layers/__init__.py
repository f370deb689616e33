"""Rounds layer after layer: a network, the protocol, and its bills."""
