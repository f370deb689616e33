"""The committed scenarios by name, which are files in instances/offload/scenarios."""

from __future__ import annotations

from dmoe_opt.data.files import instances_folder
from dmoe_opt.data.validate import fail
from dmoe_opt.offload import store
from dmoe_opt.offload.scenario import Scenario

PRESETS = ("light", "busy", "fading", "mixed", "drifting")


def preset(name: str) -> Scenario:
    """A scenario by its name.

    Raises
    ------
    InputError
        If there is no preset of that name.

    Examples
    --------
    >>> from dmoe_opt.offload.presets import preset
    >>> scenario = preset("busy")
    >>> scenario.num_experts, scenario.types.name
    (6, ('draft', 'code', 'image'))
    """
    if name not in PRESETS:
        raise fail("preset", name, ", ".join(PRESETS))
    data = store.load(instances_folder() / "offload" / "scenarios" / f"{name}.json")
    assert isinstance(data, Scenario)
    return data
