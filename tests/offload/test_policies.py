"""The table of policies: rules, and trained agents by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.offloads import by_hand

from dmoe_opt import InputError
from dmoe_opt.offload.agent import committed
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.fitting import committed as fit_of
from dmoe_opt.offload.policies import FITTED, RULES, policy
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.simulate import LOST, State, run


@pytest.mark.parametrize("rule", [*RULES, *FITTED])
def test_rules_choose_what_is_open(rule: str) -> None:
    """A rule takes open actions only, and its seed decides all its choices."""
    busy = preset("busy")
    episode = draw(replace(busy, arrivals=replace(busy.arrivals, num_jobs=20)), 5)
    choose = policy(rule, busy)(1)

    def watched(state: State) -> int:
        action = choose(state)
        assert state.mask[action]
        return action

    choice = run(episode, watched)
    assert (choice == run(episode, policy(rule, busy)(1))).all()
    if rule == "local":
        assert set(choice.tolist()) <= {6, LOST}


def test_policies_by_name() -> None:
    """A rule is what the table has; an agent comes before a rule, and must fit the scenario."""
    scenario = preset("busy")
    agent = committed("busy")
    assert policy("greedy", scenario) is RULES["greedy"]
    assert policy("greedy", scenario, {"greedy": agent})(0) == agent.act
    with pytest.raises(InputError, match='policy = "sac" needs a trained agent'):
        policy("sac", scenario)
    with pytest.raises(InputError, match='policy = "price" needs a fit; allowed: a preset'):
        policy("price", by_hand().scenario)
    episode = draw(scenario, 0)
    shifted = run(episode, policy("price@light", scenario)(0))
    assert (
        shifted == run(episode, policy("price", scenario, fit=fit_of(preset("light")))(0))
    ).all()
    assert (shifted != run(episode, policy("price", scenario)(0))).any()
    with pytest.raises(InputError, match="the tariff has 8 experts; allowed: 6"):
        policy("price@fading", scenario)
    with pytest.raises(
        InputError, match="policy = 'sac@drifting'; allowed: a preset with an agent"
    ):
        policy("sac@drifting", scenario)
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read"):
        policy("price@nowhere.json", scenario)
    with pytest.raises(InputError, match="policy = 'nobody'; allowed: random"):
        policy("nobody", scenario)
    with pytest.raises(InputError, match="the agent has 7 actions"):
        policy("x", by_hand().scenario, {"x": agent})
