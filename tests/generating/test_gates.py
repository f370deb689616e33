"""Gates: the importance factor over layers."""

from __future__ import annotations

from dmoe_opt.generating.gates import importance


def test_importance_factor() -> None:
    """gamma^(l) = gamma0^l; gamma0 = 1 is the homogeneous scheme."""
    assert importance(3, 0.5).tolist() == [0.5, 0.25, 0.125]
    assert importance(3, 1.0).tolist() == [1.0, 1.0, 1.0]
