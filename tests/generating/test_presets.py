"""Presets: reproducible, of the sizes they announce, and careful with their options."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, generate, solve
from dmoe_opt.generating.gates import GRID
from dmoe_opt.generating.knapsacks import COST_UNIT_J, FAMILIES, GATED
from dmoe_opt.generating.presets import PRESETS, options

LARGE = ("wide-32x1024", "nr-273", "olmoe-64", "qwen3-128", "deepseek-256")


@pytest.mark.parametrize("preset", [p for p in PRESETS if p not in ("qwen3-128", "deepseek-256")])
def test_presets(preset: str) -> None:
    """Same seed, same data; another seed, other data; all on the grid; no token falls short."""
    changes = {"num_tokens": 20}
    if "num_subcarriers" not in options(preset):
        changes |= {"num_experts": 16, "max_experts": 4}
    grid = 2.0**-30 if preset == "chvatal" else GRID
    one, same, other = (
        generate(preset, 1, **changes),
        generate(preset, 1, **changes),
        generate(preset, 2, **changes),
    )
    assert one.sha256 == same.sha256 != other.sha256
    assert one.name == f"{preset}-s1"
    for values in (one.scores, one.threshold):
        assert (values / grid == np.rint(values / grid)).all()
    rules = getattr(one, "optional_rules", ())
    limited = {"drop_price", "capacity", "wake_energy", "air_deadline_s"} & set(rules)
    result = solve(one, "jesa", "bcd") if limited else solve(one)
    assert result.solved if limited else result.status == "optimal"
    assert result.shortfall == ()


def test_unknown_presets_and_options() -> None:
    """Names are listed when one is wrong."""
    with pytest.raises(InputError, match='preset = "moon"; allowed: tiny, '):
        generate("moon")
    with pytest.raises(
        InputError, match="option colour is unknown to preset tiny; allowed: num_experts"
    ):
        generate("tiny", colour=1)
    with pytest.raises(InputError, match="seed = -1"):
        generate("tiny", -1)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_reproducible(preset: str) -> None:
    """Equal from equal seeds, with the sizes they announce; the large ones with few tokens."""
    changes = {"num_tokens": 8} if preset in LARGE else {}
    data = generate(preset, 3, **changes)
    if preset not in LARGE:
        assert data.sha256 == generate(preset, 3).sha256
    o = options(preset) | changes
    assert (data.num_experts, data.num_tokens, data.max_experts) == (
        o["num_experts"],
        o["num_tokens"],
        o["max_experts"],
    )
    if isinstance(data, Instance):
        assert data.num_subcarriers == o["num_subcarriers"]
        assert data.source.tolist() == [
            t % (o["num_sources"] or data.num_nodes) for t in range(o["num_tokens"])
        ]


def fewest_links(data: Instance) -> int:
    """Fewest links with which every token reaches its threshold, by enumeration for D = 2."""
    problem, experts, total = data.selection_problem(), np.arange(data.num_experts), 0
    subsets = (np.arange(2**data.num_experts)[:, None] >> experts & 1).astype(bool)
    for node in experts:
        units = problem.usable_units[data.source == node]
        best = np.zeros((len(subsets), len(units)))
        for i in experts:
            for j in experts[i + 1 :]:
                both = subsets[:, [i]] * units[:, i] + subsets[:, [j]] * units[:, j]
                best = np.maximum(best, both)
        serves = (best >= problem.need_units[data.source == node]).all(axis=1) & subsets[:, node]
        total += int(subsets[serves].sum(axis=1).min()) - 1
    return total


@pytest.mark.parametrize(("preset", "answers"), [("scarce-8x36", 9), ("scarce-8x48", 8)])
def test_scarcity(preset: str, answers: int) -> None:
    """Most of seeds 0 to 9 have an answer, with at most 5 subcarriers to spare.

    An answer exists where enough links can be open at once.
    """
    spare = []
    for seed in range(10):
        data = generate(preset, seed)
        assert isinstance(data, Instance)
        spare.append(data.num_subcarriers - fewest_links(data))
    assert sum(number >= 0 for number in spare) == answers
    assert max(spare) <= 5


def test_scarce_presets() -> None:
    """Fewer subcarriers than links."""
    scarce = [name for name in PRESETS if name.startswith("scarce")]
    assert len(scarce) == 3
    for o in map(options, scarce):
        assert o["num_subcarriers"] < o["num_experts"] * (o["num_experts"] - 1)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("fading", "rician", '"rayleigh" or "tapped"'),
        ("fading", None, "a string"),
        ("taps", 0, "a whole number from 1 to 2^31"),
        ("taps", 65, "a whole number from 1 to the number of subcarriers, 64"),
        ("tap_decay_db", -1.0, "decibels in [0, 200]"),
        ("path_loss_exponent", None, "a number in [0, 10]"),
        ("path_loss_exponent", "3", "a number in [0, 10]"),
        ("shadowing_db", -1, "decibels in [0, 100]"),
        ("shadowing_db", True, "decibels in [0, 100]"),
        ("interference_db", float("nan"), "decibels in [-200, 200]"),
        ("mean_snr_db", 201, "decibels in [-200, 200]"),
        ("bandwidth_hz", 0, "a finite number > 0"),
        ("threshold", -0.5, "a number in [0, 1000000]"),
    ],
)
def test_wrong_options(name: str, value: object, allowed: str) -> None:
    """One line with field, value and what is allowed."""
    with pytest.raises(InputError) as caught:
        generate("correlated-8x64", 1, **{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} = ")
    assert message.endswith(f"; allowed: {allowed}")
    assert "\n" not in message


def test_knapsack_families_are_as_the_literature_defines_them() -> None:
    """Costs follow scores by the rule of each family, and an even-odd threshold is odd."""
    drawn = {f: generate(f, 2, num_tokens=50) for f in FAMILIES + GATED}
    score = {f: p.scores / GRID for f, p in drawn.items()}
    cost = {f: p.cost / GRID / COST_UNIT_J for f, p in drawn.items()}
    assert (score["even-odd"] % 2 == 0).all()
    assert (drawn["even-odd"].threshold / GRID % 2 == 1).all()
    assert (score["chvatal"] == cost["chvatal"]).all()
    ceiling = cost["profit-ceiling"] - score["profit-ceiling"]
    assert (cost["profit-ceiling"] / 1024 % 3 == 0).all()
    assert set(np.unique(ceiling / 1024)) == {0, 1, 2}
    assert np.abs(cost["coarse-scores"] - score["coarse-scores"]).max() == 2**20 / 16
    radius = np.hypot(cost["circle"] / 1024 * 1.5, score["circle"] / 1024 - 2000)
    assert np.abs(radius - 2000).max() < 1
    ratios = score["spanner"] / cost["spanner"]
    assert max(len(np.unique(row)) for row in ratios) == 2
    follow = cost["softmax-correlated"] - score["softmax-correlated"]
    assert 0 <= follow.min() < follow.max() <= 0.1 / 64 / GRID + 1
    prices = cost["softmax-priced"].min(axis=0)
    assert np.corrcoef(prices, score["softmax-priced"].sum(axis=0))[0, 1] > 0.5
