"""`solve` for files that are larger than memory."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import click

from dmoe_opt.cli.options import emit

BACKENDS = ("threads", "dask")


class Given(NamedTuple):
    """What the command line says about streaming."""

    stream: bool
    backend: str | None
    scheduler: str | None


def is_streamed(file: str, problem: str, given: Given) -> bool:
    """Whether a file is solved block by block: if asked to, or by itself above a size.

    Raises
    ------
    click.UsageError
        If options are given that have no meaning then, or without it.
    """
    if given.scheduler is not None and given.backend != "dask":
        raise click.UsageError("--scheduler is for --backend dask")
    if given.stream and problem != "selection":
        raise click.UsageError("--stream is for --problem selection")
    if given.stream:
        return True
    if given.backend is not None:
        raise click.UsageError("--backend is for --stream")
    if problem != "selection" or not file.endswith(".npz"):
        return False
    from dmoe_opt import streaming
    from dmoe_opt.data import files, streams

    return (streams.entries_in(files.resolve(file)) or 0) > streaming.LARGE


def solve(
    file: str, method: str, output: str | None, as_json: bool, given: Given, options: dict[str, Any]
) -> str:
    """Solve a file block by block and print the answer; returns its status."""
    from dmoe_opt import streaming
    from dmoe_opt.cli import console
    from dmoe_opt.data import files

    threads = options.pop("threads", None)
    set_options = {name: value for name, value in options.items() if value is not None}
    console.prepare("selection")
    with console.progress(f"{file}: {method}") as report:
        answer = streaming.solve_stream(
            files.resolve(file),
            output,
            method=method,
            threads=threads,
            scheduler=given.scheduler,
            on_dask=given.backend == "dask",
            progress=report,
            **set_options,
        )
    _show(answer, as_json)
    return answer.solution.status


def _show(answer: Any, as_json: bool) -> None:
    import msgspec

    from dmoe_opt.answer.result import summary

    solution = answer.solution
    speed = answer.num_tokens / solution.wall_s
    memory = _peak_bytes()
    if as_json:
        document = msgspec.to_builtins(solution)
        for name in ("selection", "allocation", "shortfall"):
            del document[name]
        numbers = {"tokens": answer.num_tokens, "tokens_per_s": speed, "peak_bytes": memory}
        emit(document | numbers | {"shortfall": len(solution.shortfall)})
        return
    experts = ""
    if solution.objective_j is not None:
        experts = f"{answer.mean_experts:.2f} per token, at most {answer.most_experts}"
    click.echo(summary(solution, experts))
    click.echo(f"{'speed':<10} {answer.num_tokens:,} tokens, {speed:,.0f} per second")
    if memory is not None:
        click.echo(f"{'memory':<10} at most {memory / 2**20:,.0f} MiB in this process")


def _peak_bytes() -> int | None:
    """Most memory that this process has held, None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
