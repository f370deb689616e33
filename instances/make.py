"""Write the committed instances again: python instances/make.py [FOLDER].

The tests check that the result is the same. With --best-known the script solves the instances
instead and writes best_known.json: for each instance and problem the least energy and the greatest
bound known, with method, version and date. An instance without an answer has a reason in place of
an energy. `certified_j` is the bound that the certificate in `proofs` proves, which it writes too.
Subcarriers for given experts (`allocation`) have none: the file does not say which experts.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import dmoe_opt
from dmoe_opt import Instance, SelectionProblem, generate, prove, save, solve
from dmoe_opt.generating.knapsacks import FAMILIES
from dmoe_opt.generating.rounds import round_of_scores
from dmoe_opt.layers.network import dense_gates, held_out, load_network

HERE = Path(__file__).resolve().parent
LOG = "traces/digits.jsonl"


def digits() -> Iterator[Instance]:
    """One round per layer: 64 held-out digits on 8 nodes.

    The gate scores are those of the trained network with all experts at work.
    """
    source = (
        "gate scores of digits/network/weights.npz on scikit-learn's handwritten digits; "
        "drawn Rayleigh radio"
    )
    scores, _ = dense_gates(load_network("digits"), held_out("digits").inputs[:64])
    for layer, gate in enumerate(scores, 1):
        yield round_of_scores(
            np.random.default_rng(100 + layer),
            gate,
            f"digits-l{layer}",
            {"source": source, "layer": layer, "radio_seed": 100 + layer},
            num_subcarriers=64,
            num_sources=8,
            max_experts=2,
            hidden_size=32,
            share=0.7,
            mean_snr_db=10.0,
            compute_j=(5e-7, 5e-6),
        )


def digits_log() -> str:
    """A router log of the digits network: two experts per layer for each of 24 held-out digits."""
    scores, _ = dense_gates(load_network("digits"), held_out("digits").inputs[:24])
    lines = []
    for step in range(24):
        for layer, gate in enumerate(scores, 1):
            ids = np.argsort(-gate[step], kind="stable")[:2].tolist()
            weights = [round(float(gate[step, j]), 6) for j in ids]
            lines.append({"step": step, "layer": layer, "ids": ids, "weights": weights})
    return "".join(json.dumps(line) + "\n" for line in lines)


HARDEST: dict[str, tuple[int, float, int]] = {
    "uncorrelated": (26, 0.75, 64),
    "weakly-correlated": (16, 0.5, 64),
    "strongly-correlated": (26, 0.95, 64),
    "inverse-strongly-correlated": (31, 0.5, 64),
    "subset-sum": (9, 0.25, 64),
    "even-odd": (26, 0.95, 64),
    "spanner": (26, 0.25, 64),
    "circle": (26, 0.95, 64),
    "profit-ceiling": (21, 0.75, 64),
    "coarse-scores": (25, 0.5, 64),
    "chvatal": (31, 0.5, 32),
    "softmax-correlated": (8, 0.5, 64),
    "softmax-priced": (7, 0.75, 64),
}
"""Seed, share and experts of the draw of four tokens with most nodes of DES, for each family.

Drawn were the seeds 2 to 39 with the shares 0.05, 0.25, 0.5, 0.75 and 0.95 (`chvatal`: 0.25, 0.5
and 0.75).
"""


def committed() -> Iterator[tuple[str, Instance | SelectionProblem]]:
    """Folder and data of every committed instance."""
    yield "rounds", generate("tiny", 1)
    yield "rounds", generate("edge-8x64", 1)
    yield "rounds", generate("mixtral-8", 1, num_tokens=64)
    yield "rounds", generate("correlated-8x64", 1)
    yield "rounds", generate("interference-8x64", 1)
    yield "rounds", generate("nr-51", 1)
    yield "scarce", generate("scarce-8x36", 0)
    yield "scarce", generate("scarce-8x36", 1)
    yield "scarce", generate("scarce-8x48", 0)
    yield "richer", generate("deadline-8x64", 1, num_tokens=32, air_deadline_s=0.018)
    yield "richer", generate("capacity-8x64", 1, num_tokens=32, capacity=8)
    yield "richer", generate("wake-12x132", 1, num_tokens=24)
    yield "richer", generate("rich-8x64", 1, num_tokens=24, capacity=6, air_deadline_s=0.018)
    for data in digits():
        yield "digits", data
    for family in FAMILIES[:5]:
        yield "knapsack", generate(family, 1, num_tokens=8)
    for family, (seed, share, experts) in HARDEST.items():
        changes = {"num_tokens": 4, "num_experts": experts, "share": share}
        yield "knapsack", generate(family, seed, **changes)


MOST_BYTES = 200_000
"""Of a certificate that is committed. Larger ones are left out, and those with open tokens."""
PROVERS = {"selection": "des", "allocation": "assignment", "jesa": "exact"}


def posed(data: Instance | SelectionProblem) -> list[str]:
    """The problems that an instance poses; optional rules tie experts to subcarriers."""
    if isinstance(data, SelectionProblem):
        return ["selection"]
    return [problem for problem in PROVERS if problem != "selection" or not data.optional_rules]


def best_known() -> dict[str, dict[str, dict[str, object]]]:
    """The proofs of the exact methods for every committed instance."""
    known: dict[str, dict[str, dict[str, object]]] = {}
    for _, data in committed():
        for problem in posed(data):
            method = PROVERS[problem]
            result = solve(data, problem, method)
            entry: dict[str, object] = {
                "status": str(result.status),
                "objective_j": result.objective_j,
                "bound_j": result.bound_j,
                "reason": result.message or None,
                "method": method,
                "version": dmoe_opt.__version__,
                "date": dt.datetime.now(dt.UTC).date().isoformat(),
            }
            if problem != "allocation":
                certificate = prove(data, result)
                place = HERE / "proofs" / problem / f"{data.name}.json"
                place.parent.mkdir(parents=True, exist_ok=True)
                certificate.save(place)
                if certificate.open_tokens or place.stat().st_size >= MOST_BYTES:
                    place.unlink()
                else:
                    entry["certified_j"] = certificate.bound_j
                    if result.bound_j is not None and certificate.bound_j is not None:
                        entry["bound_j"] = max(result.bound_j, certificate.bound_j)
            known.setdefault(data.name, {})[problem] = entry
    return known


def main() -> None:
    """Write them all."""
    if "--best-known" in sys.argv:
        (HERE / "best_known.json").write_text(json.dumps(best_known(), indent=1) + "\n")
        return
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for folder, data in committed():
        (target / folder).mkdir(parents=True, exist_ok=True)
        save(data, target / folder / f"{data.name}.json")
        print(f"{folder}/{data.name}.json")
    (target / "traces").mkdir(parents=True, exist_ok=True)
    (target / LOG).write_text(digits_log())
    print(LOG)


if __name__ == "__main__":
    main()
