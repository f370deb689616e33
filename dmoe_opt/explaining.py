"""Why an instance has no answer: tokens, links and rules that conflict, as few as possible.

The conflict is minimal: without any one of its parts the others have an answer. For experts alone
(P1) one token makes a conflict, and for chosen experts (P3) links that share too few subcarriers do
(Hall's theorem). For both at once (P2) `joint.conflict` searches among tokens and rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.least_cost import matching
from dmoe_opt.allocation.links import chosen_experts, crowd_of
from dmoe_opt.answer.objective import Selection, loads
from dmoe_opt.data import formats, printed, validate
from dmoe_opt.data.instance import Instance, as_problem, problem_of, require_plain
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, score_units
from dmoe_opt.data.words import counted, existing
from dmoe_opt.errors import InputError, printable
from dmoe_opt.joint.activation import fewest_links
from dmoe_opt.joint.conflict import Conflict, conflict_of
from dmoe_opt.joint.feasibility import RULES, Round
from dmoe_opt.joint.refutations import refutation
from dmoe_opt.method_options import TIME_LIMIT
from dmoe_opt.method_table import methods
from dmoe_opt.solving import prepare, require_instance

MOST_NAMED = 10
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Explanation:
    """Why an instance has no answer, or that it has one.

    `tokens`, `links` as (from, to), and `rules` by their names conflict; `nodes` are those of the
    tokens and links. Links are parts of the conflict only where experts are chosen already, and
    then `tokens` are those that use them. Without any one of the parts the others have an answer if
    `minimal`; a time limit can leave that open. `sentences` say the same in words. All are empty if
    the instance is not `infeasible`.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.explain(dmoe_opt.load("tiny-s1")).infeasible
    False
    """

    problem: str
    instance: str
    instance_sha256: str
    infeasible: bool = False
    minimal: bool = True
    tokens: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    rules: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ("an answer exists",)

    def document(self) -> printed.Explanation:
        """The same as plain data, as the command line prints it as JSON."""
        return printed.Explanation(
            format=printed.EXPLANATION,
            version=formats.VERSION,
            instance=self.instance,
            instance_sha256=self.instance_sha256,
            problem=self.problem,
            infeasible=self.infeasible,
            minimal=self.minimal,
            tokens=list(self.tokens),
            nodes=list(self.nodes),
            links=[list(link) for link in self.links],
            rules={name: RULES[name].says for name in self.rules},
            text="\n".join(self.sentences),
        )

    def __str__(self) -> str:
        lines = [f"{self.problem} of {self.instance or 'an unnamed instance'}: {self.sentences[0]}"]
        lines += [f"  {sentence}" for sentence in self.sentences[1:]]
        if self.infeasible:
            lines += ["rules in conflict:"]
            lines += [f"  ({name}) {RULES[name].says}" for name in self.rules]
            lines += [self._remark()]
        return printable("\n".join(lines))

    def _remark(self) -> str:
        if not self.minimal:
            return "The time limit left open whether fewer tokens and rules make a conflict."
        parts = "links" if self.links else "tokens"
        without = f"Without any one of these {parts} and rules the others have an answer."
        return f"{without}\nThere can be further reasons beside this one."


def explain(
    data: Instance | SelectionProblem,
    problem: str | None = None,
    selection: Selection | None = None,
    time_limit: float = PATIENCE_S,
) -> Explanation:
    """Explain why an instance has no answer, by as few tokens and rules as possible.

    There can be further reasons beside the one that is told.

    Parameters
    ----------
    data
        A round or a selection problem.
    problem
        As for `solve`; by default `jesa` for a round, `allocation` if a selection is given, and
        `selection` for a selection problem.
    selection
        For `allocation`: the experts whose links are to be served, bool (T, K); by default those
        that DES chooses with every link on its best subcarrier.
    time_limit
        Seconds, for `jesa`. If it strikes, the explanation may have more parts than needed, and
        then it is not `minimal`.

    Raises
    ------
    InputError
        If the problem does not fit the instance, or the selection breaks a rule of its own.
    LimitError
        If the time limit left open whether there is an answer.

    Examples
    --------
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.generate("edge-8x64", 1, num_subcarriers=1)
    >>> print(dmoe_opt.explain(round_))
    jesa of edge-8x64-s1: token 40 of node 0 needs at least 2 links, but only 1 subcarrier exists
    rules in conflict:
      (C1) every token reaches its threshold
      (C3) a subcarrier serves at most one link
      (C4) a link that carries tokens has a subcarrier that works
    Without any one of these tokens and rules the others have an answer.
    There can be further reasons beside this one.
    """
    require_instance(data)
    TIME_LIMIT.check(TIME_LIMIT.name, time_limit)
    if problem is None:
        problem = problem_of(data) if selection is None else "allocation"
    methods(problem)
    if selection is not None and problem != "allocation":
        raise InputError(f'selection is given for problem = "{problem}"; allowed: allocation')
    if problem == "allocation":
        require_plain(data, "explain for allocation")
    prepare(problem)
    base = Explanation(problem, data.name, data.sha256)
    short = _of_token(base, as_problem(data), data)
    if short is not None or problem == "selection":
        return short or base
    if not isinstance(data, Instance):
        raise validate.fail("problem", problem, "selection, for an instance without a radio")
    if problem == "allocation":
        return _of_links(base, data, chosen_experts(data, selection))
    return _of_round(base, data, time_limit)


def _of_token(
    base: Explanation, problem: SelectionProblem, data: Instance | SelectionProblem
) -> Explanation | None:
    """The first token that cannot reach its threshold whatever the others do; None without one."""
    short = np.flatnonzero(problem.shortfall)
    if data.infeasibility() is None:
        return None
    t = int(short[0])
    nodes = (int(data.source[t]),) if isinstance(data, Instance) else ()
    rules, why = _shortage(problem, t)
    where = f" of node {nodes[0]}" if nodes else ""
    sentences = [f"token {t}{where} cannot reach its threshold {problem.threshold[t]:.9g}", why]
    if len(short) > 1:
        sentences.append(f"neither can {_named('token', short[1:])}")
    return replace(
        base, infeasible=True, tokens=(t,), nodes=nodes, rules=rules, sentences=tuple(sentences)
    )


def _shortage(problem: SelectionProblem, t: int) -> tuple[tuple[str, ...], str]:
    """The rules that keep a token from its threshold, and how, in words."""
    need, most = problem.need_units[t], problem.max_experts
    every = np.sort(score_units(problem.scores[t]))[::-1]
    usable = np.sort(problem.usable_units[t])[::-1]
    if every.sum() < need:
        return ("C1",), f"all experts together give {_score(every)}"
    if every[:most].sum() < need:
        return ("C1", "C2"), f"its best {most} experts give {_score(every[:most])}"
    lost = _named("expert", np.flatnonzero(~problem.usable[t]))
    if usable.sum() < need:
        return ("C1", "C4"), f"without {lost}, which it cannot reach, all give {_score(usable)}"
    best = f"its best {most} give {_score(usable[:most])}"
    return ("C1", "C2", "C4"), f"without {lost}, which it cannot reach, {best}"


def _score(units: NDArray[np.float64]) -> str:
    return f"{units.sum() / SCORE_UNIT:.9g}"


def _of_links(base: Explanation, instance: Instance, selection: Selection) -> Explanation:
    """The smallest crowd around a link that a largest matching leaves without a subcarrier."""
    ends = np.argwhere(loads(instance, selection))
    works = np.isfinite(instance.link_energy[ends[:, 0], ends[:, 1]])
    partner = matching(works)
    unmatched = np.flatnonzero(partner < 0).tolist()
    if not unmatched:
        return base
    crowd = min((crowd_of(works, partner, n) for n in unmatched), key=np.count_nonzero)
    links = tuple((int(i), int(j)) for i, j in ends[crowd])
    tokens = [_users(instance, selection, i, n) for i, n in links]
    shared = works[crowd].any(axis=0)
    number = counted(len(links), "link")
    sentences = [f"{number} need a subcarrier each, and {int(shared.sum())} work for them"]
    if len(links) == 1:
        sentences = [f"{number} needs a subcarrier, and none works for it"]
    for (i, j), carried, row in zip(links, tokens, works[crowd], strict=True):
        sentences.append(f"link {i} -> {j} of {_named('token', carried)} {_working(row)}")
    return replace(
        base,
        infeasible=True,
        tokens=tuple(sorted({t for carried in tokens for t in carried})),
        nodes=tuple(sorted({node for link in links for node in link})),
        links=links,
        rules=("C3", "C4") if len(links) > 1 else ("C4",),
        sentences=tuple(_cut(sentences, MOST_NAMED + 1)),
    )


def _users(instance: Instance, selection: Selection, i: int, n: int) -> list[int]:
    """Tokens of node i that use an expert on node n."""
    visits = selection[:, instance.node_of == n].any(axis=1)
    return list(np.flatnonzero(visits & (instance.source == i)).tolist())


def _cut(lines: list[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    return lines[:most] + ([f"and {len(lines) - most} more"] if len(lines) > most else [])


def _working(works: NDArray[np.bool_]) -> str:
    """On which subcarriers a link works, in words."""
    if works.all():
        return "works on all subcarriers"
    if not works.any():
        return "works on no subcarrier"
    return f"works on {_named('subcarrier', np.flatnonzero(works))} only"


def _of_round(base: Explanation, instance: Instance, time_limit: float) -> Explanation:
    conflict = conflict_of(instance, time_limit)
    if conflict is None:
        return base
    source = instance.source[conflict.tokens]
    return replace(
        base,
        infeasible=True,
        minimal=conflict.minimal,
        tokens=tuple(conflict.tokens),
        nodes=tuple(np.unique(source).tolist()),
        rules=tuple(conflict.rules),
        sentences=tuple(
            refutation(instance, conflict)
            if {"C5", "C7"} & set(conflict.rules)
            else _crowding(instance, conflict)
        ),
    )


def _crowding(instance: Instance, conflict: Conflict) -> list[str]:
    """How many links the tokens of a conflict need; and on what these work, if that is the reason.

    The first sentence says it of all tokens, the others of single nodes or links.
    """
    tokens, round_ = np.array(conflict.tokens), Round(instance)
    needed = fewest_links(round_.part(tokens, set(conflict.rules))).needed
    source = instance.source[tokens]
    nodes = np.unique(source)
    by_node = [
        f"{_named('token', tokens[source == i])} of node {i} "
        f"{'needs' if (source == i).sum() == 1 else 'need'} "
        f"at least {counted(int(needed[i]), 'link')}"
        for i in nodes
    ]
    most = instance.num_subcarriers
    crowded = needed.sum() > most
    but = (
        f"but only {existing(most, 'subcarrier')}"
        if crowded
        else "which cannot all get a subcarrier"
    )
    if len(nodes) == 1:
        sentences = [f"{by_node[0]}, {but}"]
    else:
        every = f"{len(tokens)} tokens of {len(nodes)} nodes"
        sentences = [f"{every} need at least {counted(int(needed.sum()), 'link')}, {but}", *by_node]
    return sentences if crowded else sentences + _weak_links(instance, tokens)


def _weak_links(instance: Instance, tokens: NDArray[np.int64]) -> list[str]:
    """The links between tokens and experts with a score that do not work on all subcarriers."""
    good = np.zeros(instance.scores.shape, dtype=bool)
    good[tokens] = instance.scores[tokens] > 0
    wanted = loads(instance, good) > 0
    works = np.isfinite(instance.link_energy)
    weak = np.argwhere(wanted & ~works.all(axis=2)).tolist()
    return _cut([f"link {i} -> {j} {_working(works[i, j])}" for i, j in weak], MOST_NAMED)


def _named(kind: str, numbers: Sequence[int] | NDArray[np.int64]) -> str:
    """Things and their numbers, such as `tokens 3, 7 and 9`; many are cut short."""
    names = [str(number) for number in numbers]
    plural = "s" if len(names) > 1 else ""
    if len(names) > MOST_NAMED:
        return f"{kind}s {', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    head, last = ", ".join(names[:-1]), names[-1]
    return f"{kind}{plural} {head} and {last}" if head else f"{kind} {last}"
