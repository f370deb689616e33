"""Expert selection (P1): DES and what it is compared with."""
