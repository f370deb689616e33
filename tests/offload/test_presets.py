"""The committed scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmoe_opt.offload import store
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_files(name: str, tmp_path: Path) -> None:
    """Each is named as its file and survives writing; a seed gives one episode, another another."""
    scenario = preset(name)
    assert scenario.name == name
    store.save(scenario, tmp_path / "again.json")
    again = store.load(tmp_path / "again.json")
    assert (draw(again, 3).reward == draw(scenario, 3).reward).all()
    assert (
        draw(scenario, 3).num_subtasks != draw(scenario, 4).num_subtasks
        or (draw(scenario, 3).arrival_s != draw(scenario, 4).arrival_s).any()
    )
