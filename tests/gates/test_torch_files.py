"""Files of torch.save as router logs, opened with weights only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.traced import LOGITS, SCORES

from dmoe_opt import InputError
from dmoe_opt.generating.trace_files import load_trace

LOGIT_TENSOR = torch.tensor(LOGITS, requires_grad=True)
IDS = np.argsort(-LOGITS, axis=2)[:, :, :2]


@pytest.mark.parametrize(
    "saved",
    [
        LOGIT_TENSOR,
        {"router_logits": LOGIT_TENSOR, "model": "m", "top_k": 2},
        tuple(LOGIT_TENSOR),
        {"model.layers.2.gate": LOGIT_TENSOR[0], "10": LOGIT_TENSOR[1], "11": LOGIT_TENSOR[2]},
    ],
)
def test_logits(tmp_path: Path, saved: Any) -> None:
    """A tensor, a dictionary that says more, one tensor per layer."""
    torch.save(saved, tmp_path / "log.pt")
    trace = load_trace(tmp_path / "log.pt")
    assert np.allclose(trace.scores, SCORES)


def test_half_precision(tmp_path: Path) -> None:
    """Probabilities in bfloat16 get no second softmax."""
    torch.save(torch.tensor(SCORES, dtype=torch.bfloat16), tmp_path / "log.pt")
    trace = load_trace(tmp_path / "log.pt")
    assert np.allclose(trace.scores, SCORES, atol=0.01)
    assert "taken as they are" in trace.source


def test_expert_recorder(tmp_path: Path) -> None:
    """Records of passes are put together; layers without a mixture repeat an expert."""
    dense = np.zeros((1, 6, 2), dtype=np.int64)
    ids = torch.tensor(np.concatenate([dense, IDS]))
    records = [{"rank": 0, "topk_ids_of_layer": ids[:, :4]}, {"topk_ids_of_layer": ids[:, 4:]}]
    torch.save({"records": records, "last_physical_to_logical_map": None}, tmp_path / "log.pt")
    trace = load_trace(tmp_path / "log.pt")
    assert trace.layers == (1, 2, 3)
    assert (trace.scores > 0).sum(axis=2).tolist() == np.full((3, 6), 2).tolist()
    assert (np.take_along_axis(trace.scores, IDS, axis=2) == 0.5).all()
    torch.save({"logical_count": torch.ones(1, 3, 4, dtype=torch.int32)}, tmp_path / "log.pt")
    assert load_trace(tmp_path / "log.pt", num_tokens=7).scores.shape == (3, 7, 4)


class Evil:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("evil"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights only: objects are refused in one line, and run nothing."""
    monkeypatch.chdir(tmp_path)
    torch.save({"logits": Evil()}, "log.pt")
    with pytest.raises(InputError, match=r"log\.pt: cannot be opened with weights only"):
        load_trace("log.pt")
    assert not Path("evil").exists()
    torch.save({"model": "m"}, "log.pt")
    with pytest.raises(InputError, match=r"log\.pt: has no tensor"):
        load_trace("log.pt")
