"""Instances small enough to verify by hand, and an oracle that shares no code with the package."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from hypothesis import settings

from dmoe_opt import Instance, Radio, SelectionProblem, compiling
from dmoe_opt.cli.main import main

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

WITHOUT_KERNELS = ("data", "generating", "offload", "plot", "sweep")
STAGES = {
    "dmoe_opt.selection": "from dmoe_opt.solving import prepare; prepare('selection')",
    "dmoe_opt.joint": "prepare('jesa')",
    "dmoe_opt.selection.des_nodes": (
        "from dmoe_opt import SelectionProblem as P, solve\n"
        "solve(P([[1.0]], [[1.0]], 1.0, 1, placement=[0], node_cost=[[1.0]]))"
    ),
}
"""How kernels are compiled, by the modules that they are in, in this order."""
IS_FIRST_TIME = not Path(
    importlib.util.cache_from_source(str(Path(__file__).parent / "joint" / "test_exact.py"))
).parent.exists()
"""Whether the tests that workers import, and what these import, are yet without bytecode."""
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """Let one process compile the kernels, and not each worker of pytest-xdist all of them.

    That process holds a lock for each stage until its kernels are compiled; workers wait for it
    where they first need one of them.
    """
    if fcntl is None:
        return
    if hasattr(config, "workerinput"):
        compile_ = compiling._compile

        def compile_afterwards(compiled: Any, types: tuple[Any, ...]) -> None:
            module = compiled.py_func.__module__ or ""
            stage = max(
                (stage for stage in STAGES if module.startswith(stage)), default=None, key=len
            )
            if stage is not None:
                with lock_file(stage).open() as file:
                    fcntl.flock(file, fcntl.LOCK_SH)
            compile_(compiled, types)

        compiling._compile = compile_afterwards
    elif config.getoption("numprocesses", None):
        with contextlib.ExitStack() as stack:
            locks = [stack.enter_context(lock_file(stage).open()) for stage in STAGES]
            try:
                for file in locks:
                    fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:  # a file system without such locks
                return
            code = "import os\n" + "\n".join(
                f"{compile_stage}\nos.close({file.fileno()})"
                for file, compile_stage in zip(locks, STAGES.values(), strict=True)
            )
            descriptors = [file.fileno() for file in locks]
            first = subprocess.Popen([sys.executable, "-c", code], pass_fds=descriptors)
        config.add_cleanup(first.communicate)


def lock_file(stage: str) -> Path:
    """The file on which the lock of a stage is held."""
    module = importlib.import_module(stage).__file__
    assert module is not None
    return Path(module)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is imported stays, so that looking for garbage in it, as often as tests do, is vain.

    The first time, workers import one after the other: the second finds what the first compiled.
    """
    gc.disable()
    with contextlib.ExitStack() as stack:
        if fcntl is not None and IS_FIRST_TIME and hasattr(session.config, "workerinput"):
            file = stack.enter_context(Path(__file__).open())
            with contextlib.suppress(OSError):  # a file system without such locks
                fcntl.flock(file, fcntl.LOCK_EX)
        collected = yield
    gc.freeze()
    gc.enable()
    return collected


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms that need no kernels come first, while they are compiled."""
    items.sort(key=lambda item: item.path.parent.name not in WITHOUT_KERNELS)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes go by the name of their argument: those of an archive tell the time.

    Workers that collected them at two times would not agree on the tests that there are.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def hand() -> SelectionProblem:
    """Three tokens, three experts, worked by hand.

    Token 0 needs 0.6: {0, 2} reaches 0.75 for 3, {0, 1} 0.75 for 4, no single expert: optimum 3.
    Token 1 needs 0.5 and expert 1 alone reaches exactly that for 2; {0, 2} would cost 3: optimum 2.
    Token 2 needs nothing: optimum 0 with no expert at all.
    The optimum of the three is 5, top-2 costs 4 + 3 + 4 = 11.
    """
    return SelectionProblem(
        scores=[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.5, 0.0]],
        cost=[[1.0, 3.0, 2.0], [1.0, 2.0, 2.0], [1.0, 3.0, 2.0]],
        threshold=[0.6, 0.5, 0.0],
        max_experts=2,
        name="hand",
    )


@pytest.fixture
def round_of_two() -> Instance:
    """Two nodes, one subcarrier, and links on which one token costs exactly 1 J.

    The SNR is 1, so the rate is 1 bit/s.
    """
    radio = Radio(
        gains=np.ones((2, 2, 1)), bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0
    )
    return Instance(
        source=[0, 1],
        scores=[[0.25, 0.75], [0.25, 0.75]],
        threshold=0.5,
        max_experts=1,
        compute_energy=[0.5, 0.25],
        radio=radio,
        name="two",
    )


@pytest.fixture
def exact_optimum() -> Callable[[SelectionProblem], Fraction | None]:
    """An oracle that shares no code with the package: enumeration in exact arithmetic.

    It gives None if the problem is infeasible.
    """

    def solve(problem: SelectionProblem) -> Fraction | None:
        total = Fraction(0)
        for t in range(problem.num_tokens):
            sets = [
                chosen
                for size in range(problem.max_experts + 1)
                for chosen in itertools.combinations(np.flatnonzero(problem.usable[t]), size)
            ]
            reached = {
                s: sum((Fraction(float(problem.scores[t, j])) for j in s), Fraction(0))
                for s in sets
            }
            wanted = Fraction(float(problem.threshold[t]))
            best = max(reached.values())
            if best < wanted:
                if problem.on_shortfall == "infeasible":
                    return None
                wanted = best
            prices = [
                sum((Fraction(float(problem.cost[t, j])) for j in s), Fraction(0))
                for s in sets
                if reached[s] >= wanted
            ]
            total += min(prices)
        return total

    return solve


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """A command in this process; a new process takes seconds to import numba, Pyomo and CVXPY."""

    def type_(*arguments: str) -> Ended:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["dmoe-opt", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return type_
