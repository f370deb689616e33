"""Committed instances, found by name with `dmoe_opt.load`."""
