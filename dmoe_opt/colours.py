"""Colours that all pictures share."""

from __future__ import annotations

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""By M. Okabe and K. Ito; most colour-blind people tell them apart."""
