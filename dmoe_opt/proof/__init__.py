"""Proofs of bounds: certificates, and a checker that needs nothing but Python."""
