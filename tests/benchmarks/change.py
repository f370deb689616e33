"""How the ratios of a run differ from the stored ones.

python tests/benchmarks/change.py RUN.json [--store]

RUN.json is the output of `python -m pytest tests/benchmarks --benchmark-json RUN.json`. A ratio is
the least time of the work over the least time of its yardstick in the same run. `--store` makes
this run the one to compare later ones with.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

STORED = Path(__file__).with_name("ratios.json")
NOTABLE = 1.25
"""Without any change, ratios of runs on a shared machine differ by a quarter, more under load."""


def ratios(run: Path) -> dict[str, float]:
    """Ratio by name."""
    least: dict[str, dict[str, float]] = {}
    for one in json.loads(run.read_text())["benchmarks"]:
        least.setdefault(one["group"], {})[one["params"]["part"]] = one["stats"]["min"]
    return {name: times["work"] / times["yardstick"] for name, times in least.items()}


def main() -> None:
    """Print a line a ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--store", action="store_true")
    given = parser.parse_args()
    now = ratios(given.run)
    before = json.loads(STORED.read_text()) if STORED.exists() else {}
    print(f"{'work / yardstick':30} {'stored':>9} {'now':>9} {'change':>9}")
    for name in sorted(now.keys() | before.keys()):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            print(
                f"{name:30} {'' if old is None else f'{old:.3g}':>9} "
                f"{'' if new is None else f'{new:.3g}':>9}"
            )
            continue
        note = "slower" if new > NOTABLE * old else "faster" if old > NOTABLE * new else ""
        print(f"{name:30} {old:9.3g} {new:9.3g} {new / old - 1:+9.0%} {note}".rstrip())
    if given.store:
        STORED.write_text(
            json.dumps(
                {name: float(f"{value:.4g}") for name, value in sorted(now.items())}, indent=1
            )
            + "\n"
        )
        print(f"stored in {STORED.name}")


if __name__ == "__main__":
    main()
