"""Optional rules of a round: the names of the fields that switch them on.

This file is light: the table of methods reads it before numpy is loaded.
"""

from __future__ import annotations

OPTIONAL_RULES = ("drop_price", "capacity", "wake_energy", "air_deadline_s", "send_once")
"""Fields of a round; absent ones leave the model of a plain round as it is."""
