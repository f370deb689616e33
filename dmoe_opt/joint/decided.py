"""The methods `bcd`, `lagrangian` and `exact` of rounds with optional rules, and their bound.

They end with the clock of the method that calls them (`dmoe_opt.clock`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.clock import OUT_OF_TIME, TimeUp, is_over, left_s
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.activation import (
    activate,
    fewest_links,
    no_open_links,
    serve_over,
    too_many_links,
)
from dmoe_opt.joint.apart import solve_apart
from dmoe_opt.joint.descent import CLOSED, Descent, better, conclude, is_closed
from dmoe_opt.joint.leftover import leftover
from dmoe_opt.joint.limited import Climbed, begin, climb, descend, first_point, served
from dmoe_opt.joint.multipliers import Frame, Point, evaluate, frame_of
from dmoe_opt.joint.open_part import (
    Open,
    everything,
    listed,
    no_answer,
    on_best,
    share_kept,
    stranded,
)
from dmoe_opt.joint.program import OpenAnswer, solve_scaled
from dmoe_opt.joint.relaxation import relax
from dmoe_opt.joint.steps import Effort, Log

QUICK = Effort(60, 30, 0)  # a repair takes as long as thirty steps, and seldom finds more
THOROUGH = Effort(500, 30, 0)
BEFORE_PROGRAM = Effort(100, 30, 0)  # then the program is faster than the ascent
NARROWED = Effort(60, 60, 0)
FEW = Effort(30, 30, 0)  # where sets are listed
TRIED = 4  # subcarriers of each link, for prices to begin with
MOST_NARROWED = 5
LESS = 0.8  # of what was open before: then ascend once more
FAR = 0.01
PAID_ONLY = {"send_once", "wake_energy"}  # rules that say what is paid, not what is allowed
MOST_PAIRS = 4_000  # of token and expert, for a program of the experts alone
SHARE = 0.2  # of the time, for the same
NONE_FOUND = "no answer was found that keeps all rules, as far as was tried"
UNDECIDED = "the solver leaves open whether the round has an answer"


def approached(
    instance: Instance,
    method: str,
    *,
    effort: Effort,
    far: float = CLOSED,
    log: Log | None = None,
    start: Decision | None = None,
    part: Open | None = None,
) -> Climbed | Result:
    """A descent and an ascent; or the result where it is proven that there is no answer.

    With `part`, all of the round with its sets listed, the ascent starts at the prices of the
    linear relaxation where it is small enough.
    """
    if reason := stranded(instance):
        return infeasible(instance, method, reason)
    frame = frame_of(instance, part)
    answer, bound_j = begin(frame, start), 0.0
    if answer is None and set(instance.optional_rules) <= PAID_ONLY:
        few = _over_few_links(frame, method)
        if isinstance(few, Result):
            return few
        answer, bound_j = few
    elif answer is None and instance.capacity is not None:
        staffed = solve_apart(frame, part or listed(instance), None, left_s())
        if staffed.infeasible:
            return infeasible(instance, method, no_answer(instance))
        answer, bound_j = _descended(frame, staffed, answer), staffed.bound_j
    if part is None or part.choices is None:
        climbed = climb(frame, answer, effort=effort, far=far, log=log)
    else:
        climbed = _relaxed(frame, part, answer, far, log)
    return climbed._replace(bound_j=max(climbed.bound_j, bound_j))


def _relaxed(
    frame: Frame, part: Open, answer: Descent | None, far: float, log: Log | None
) -> Climbed:
    """The ascent; where experts tie tokens, from the prices of the linear relaxation."""
    instance = frame.instance
    start = first_point(frame)
    bound_j = max(evaluate(frame, start).value_j, 0.0)
    if is_closed(answer, bound_j, far):
        return Climbed(start, bound_j, answer, 0, frame)
    if _are_tied(frame):
        relaxed = relax(instance, on_best(instance, part, TRIED), np.inf)
        start = start if relaxed is None else relaxed.point
    return climb(frame, answer, effort=FEW, far=far, log=log, start=start)


def _over_few_links(frame: Frame, method: str) -> tuple[Descent | None, float] | Result:
    """An answer over few links, and the activation bound in J; or that there is no answer."""
    instance = frame.instance
    fewest = fewest_links(instance)
    if reason := too_many_links(instance, fewest.needed):
        return infeasible(instance, method, reason)
    activation = activate(instance, fewest.needed)
    if activation.bound_j == np.inf:
        return infeasible(instance, method, no_open_links(instance))
    answer = None
    for links in (fewest.open_links, activation.open_links):
        decision = None if links is None else serve_over(instance, links)
        if decision is not None:
            answer = better(answer, descend(frame, decision))
    return answer, activation.bound_j


def _descended(frame: Frame, staffed: OpenAnswer, answer: Descent | None) -> Descent | None:
    """The better one of an answer and the descent from the experts that were found."""
    if staffed.decision is None:
        return answer
    decision = served(frame.instance, staffed.decision.selection)
    return answer if decision is None else better(answer, descend(frame, decision))


def solve_descent(
    instance: Instance,
    *,
    restarts: int = 0,
    seed: int = 0,
    start: Decision | None = None,
) -> Result:
    """`bcd`: the descent, a few steps of the ascent, and descents from random prices of links.

    Where that ends far from the bound, experts are chosen by a program of their own, too.
    """
    woken = instance.wake_energy is not None  # prices climb slowly to what waking costs
    part = listed(instance) if woken else None
    end = approached(instance, "bcd", effort=QUICK, far=FAR, start=start, part=part)
    if isinstance(end, Result):
        return end
    answer, bound_j, rng = end.answer, end.bound_j, np.random.default_rng(seed)
    if not is_closed(answer, bound_j, FAR):
        answer, bound_j, _ = _staffed(end)
    for _ in range(restarts):
        if is_over():
            break
        answer = better(answer, begin(end.frame, None, rng))
    trace = [] if answer is None else answer.trace
    stats = {"iterations": len(trace), "trace": trace}
    return conclude(instance, "bcd", answer, bound_j, stats, NONE_FOUND, end.point)


def solve_ascent(
    instance: Instance,
    *,
    log: Log | None = None,
    start: Decision | None = None,
) -> Result:
    """`lagrangian`: the descent and the whole ascent."""
    end = approached(instance, "lagrangian", effort=THOROUGH, log=log, start=start)
    if isinstance(end, Result):
        return end
    answer, bound_j, _ = _staffed(end)
    stats = {"iterations": end.iterations}
    return conclude(instance, "lagrangian", answer, bound_j, stats, NONE_FOUND, end.point)


def solve_whole(
    instance: Instance,
    *,
    log: Log | None = None,
    start: Decision | None = None,
) -> Result:
    """`exact`: the ascent, and the program of what it leaves open."""
    end = approached(
        instance, "exact", effort=BEFORE_PROGRAM, log=log, start=start, part=listed(instance)
    )
    if isinstance(end, Result):
        return end
    return replace(_decided(instance, end, log), prices=end.point)


def _decided(instance: Instance, end: Climbed, log: Log | None) -> Result:
    """What the ascent leaves open, decided by the program."""
    answer, bound_j, left = _narrowed(*_staffed(end), end.point, instance)
    stats = {"iterations": end.iterations, "kept": 0.0}
    if is_closed(answer, bound_j):
        return conclude(instance, "exact", answer, bound_j, stats, OUT_OF_TIME)
    if left is None:
        assert answer is not None  # nothing is better than the answer
        return conclude(instance, "exact", answer, answer.energy_j, stats, OUT_OF_TIME)
    stats["kept"] = share_kept(instance, left)
    if is_over():
        return conclude(instance, "exact", answer, bound_j, stats, OUT_OF_TIME)
    return finish(instance, answer, bound_j, left, stats, log)


def _staffed(climbed: Climbed) -> tuple[Descent | None, float, Open | None]:
    """The answer after experts were chosen by a program of their own, the bound, what is open.

    The latter is None where nothing better is left.
    """
    frame, answer, bound_j = climbed.frame, climbed.answer, climbed.bound_j
    if answer is None:
        return None, bound_j, everything(frame.instance)
    if is_closed(answer, bound_j):
        return answer, bound_j, None
    part = _open_part(climbed, answer)
    if part is None or not _are_tied(frame) or part.possible.sum() > MOST_PAIRS or is_over():
        return answer, bound_j, part
    staffed = solve_apart(frame, part, answer.decision, SHARE * left_s())
    bound_j = max(bound_j, min(staffed.bound_j, answer.energy_j))
    if staffed.infeasible:
        return answer, answer.energy_j, None
    better_one = _descended(frame, staffed, answer)
    assert better_one is not None
    if better_one.energy_j < answer.energy_j:
        part = _open_part(climbed, better_one)
    return better_one, min(bound_j, better_one.energy_j), part


def _are_tied(frame: Frame) -> bool:
    """Whether rules on experts tie tokens together."""
    instance = frame.instance
    if instance.capacity is not None:
        return True
    return instance.wake_energy is not None and not frame.surely_awake.all()


def _narrowed(
    answer: Descent | None,
    bound_j: float,
    part: Open | None,
    point: Point,
    instance: Instance,
) -> tuple[Descent | None, float, Open | None]:
    """The same after ascents over what is open, whose bounds leave less of it open."""
    for _ in range(MOST_NARROWED):
        if answer is None or part is None or is_closed(answer, bound_j) or is_over():
            break
        before = share_kept(instance, part)
        relaxed = relax(instance, part, answer.energy_j)
        if relaxed is None:
            again = climb(frame_of(instance, part), answer, effort=NARROWED, start=point)
            assert again.answer is not None
            answer, point, raised_j = again.answer, again.point, again.bound_j
            part = _open_part(again, answer)
        else:
            raised_j, part = relaxed.bound_j, relaxed.part
        bound_j = max(bound_j, min(raised_j, answer.energy_j))
        if part is not None and share_kept(instance, part) > LESS * before:
            break
    return answer, bound_j, part


def _open_part(climbed: Climbed, answer: Descent) -> Open | None:
    try:
        return leftover(climbed.frame, climbed.point, answer.energy_j)
    except TimeUp:
        return everything(climbed.frame.instance)


def finish(
    instance: Instance,
    answer: Descent | None,
    bound_j: float,
    part: Open,
    stats: dict[str, float],
    log: Log | None,
) -> Result:
    """`exact` from an answer and a bound: the integer program decides what is open."""
    energy_j = np.inf if answer is None else answer.energy_j

    def seen(incumbent_j: float, proven_j: float) -> None:
        assert log is not None
        known_j = min(energy_j, incumbent_j)
        log(known_j if np.isfinite(known_j) else None, max(bound_j, min(proven_j, energy_j)))

    outcome = solve_scaled(
        instance,
        part,
        None if answer is None else energy_j,
        None if answer is None else answer.decision,
        left_s(),
        seen if log else None,
    )
    if outcome.infeasible and answer is None:
        return infeasible(instance, "exact", no_answer(instance))
    proven_j = energy_j if outcome.infeasible else min(outcome.bound_j, energy_j)
    bound_j = max(bound_j, proven_j)
    last = build(instance, "exact", outcome.decision, bound_j=bound_j, stats=stats)
    if last.objective_j is not None and last.objective_j < energy_j:
        return last
    reason = OUT_OF_TIME if is_over() else UNDECIDED
    return conclude(instance, "exact", answer, bound_j, stats, reason)


def first_bound(instance: Instance) -> float:
    """The bound of every link on its best subcarrier, with wake-ups shared, J."""
    frame = frame_of(instance)
    return max(evaluate(frame, first_point(frame)).value_j, 0.0)
