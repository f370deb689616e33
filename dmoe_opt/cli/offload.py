"""The group of the commands of edge offloading."""

from __future__ import annotations

import click

from dmoe_opt.cli.offload_checking import check
from dmoe_opt.cli.offload_learning import fit, train
from dmoe_opt.cli.offload_making import generate, import_
from dmoe_opt.cli.offload_playing import compare, evaluate


@click.group()
def offload() -> None:
    """Offload the subtasks of a device to edge experts.

    Choices are made by rules, by a learned policy, or by the clairvoyant optimum.
    """


for command in (generate, import_, train, fit, evaluate, check, compare):
    offload.add_command(command)
