"""Kernels of `dmoe_opt.offload.forecast`: the charges, and episodes played by them.

`rule` holds the numbers: a rise for each of the G groups, then mix, ends, load, floor, power and
trust. `group` (E,) numbers the experts' groups; `room` (E,) is their capacity. `of_new` and
`of_open` are expected rates in pieces of `width_s` seconds.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached


@cached()
def charges(rule, group, room, held, soon, duration, rate, width_s, load, charge):
    """Fill `charge` (E,), for a subtask of size 1.

    `held` and `soon` (E,) are what experts hold, as it is and weighted by the time until it is
    free; `duration` (E,), s; `load` the share of open jobs above the usual number. The expected
    rates ahead in `rate` are replaced by their powers.
    """
    groups = len(rule) - 6
    mix, by_ends, by_load, floor, power, trust = rule[groups:]
    for k in range(len(rate)):
        rate[k] = rate[k] ** trust
    all_held = 0.0
    all_room = 0.0
    for e in range(len(group)):
        all_held += held[e]
        all_room += room[e]
    for g in range(groups):
        own_held = 0.0
        own_soon = 0.0
        own_room = 0.0
        for e in range(len(group)):
            if group[e] == g:
                own_held += held[e]
                own_soon += soon[e]
                own_room += room[e]
        if own_room <= 0.0:
            continue
        x = floor + by_load * load + by_ends * own_soon / own_room
        x += (1.0 - mix) * own_held / own_room + mix * all_held / all_room
        price = rule[g] * max(x, 0.0) ** power
        for e in range(len(group)):
            if group[e] == g:
                charge[e] = price * _integral(rate, width_s, duration[e])


@cached()
def _integral(rate, width_s, until_s):
    """Integral of the rate over the next `until_s` seconds; the last piece has no end."""
    total = 0.0
    left_s = until_s
    last = len(rate) - 1
    for k in range(len(rate)):
        passed_s = left_s if k == last else min(left_s, width_s)
        total += passed_s * rate[k]
        left_s -= passed_s
        if left_s <= 0.0:
            break
    return total


@cached()
def _look(now, half_s, ends, sizes, held, soon):
    """Fill what experts hold, as it is and weighted by the time until it is free."""
    for e in range(len(held)):
        held[e] = 0.0
        soon[e] = 0.0
        for k in range(ends.shape[1]):
            if ends[e, k] > now:
                held[e] += sizes[e, k]
                soon[e] += sizes[e, k] * min((ends[e, k] - now) / half_s, 1.0)


@cached()
def _best(reward, may_start, loss, size, least, room, held, charge):
    """The open action of greatest reward less charge; the device among equals."""
    best = len(held)
    most = reward[best] if may_start[best] else loss
    for e in range(len(held)):
        if may_start[e] and room[e] - held[e] >= size * least:
            net = reward[e] - size * charge[e]
            if net > most:
                best = e
                most = net
    return best


@cached()
def _hold(ends, sizes, now, until, size):
    """Put a subtask where nothing is held any more."""
    for k in range(len(ends)):
        if ends[k] <= now:
            ends[k] = until
            sizes[k] = size
            break


@cached(is_entry=True)
def play(
    starts, arrival, reward, duration, may_start, loss, size, left, open_,
    rule, group, room, most_held, of_new, of_open, width_s, usual_open, least, returns,
):  # fmt: skip
    """Fill `returns` (B,) of episodes one after another; episode b has rows from starts[b].

    A subtask fits where `least` of its size does.
    """
    experts = len(group)
    held = np.zeros(experts)
    soon = np.zeros(experts)
    charge = np.zeros(experts)
    rate = np.zeros(len(of_open))
    half_s = width_s * len(of_open) / 2.0
    for b in range(len(starts) - 1):
        ends = np.full((experts, most_held), -1.0)
        sizes = np.zeros((experts, most_held))
        total = 0.0
        for n in range(starts[b], starts[b + 1]):
            now = arrival[n]
            _look(now, half_s, ends, sizes, held, soon)
            for k in range(len(rate)):
                rate[k] = of_new[left[n], k] + open_[n] * of_open[k]
            load = open_[n] / usual_open - 1.0
            charges(rule, group, room, held, soon, duration[n], rate, width_s, load, charge)
            best = _best(reward[n], may_start[n], loss[n], size[n], least, room, held, charge)
            if best < experts:
                _hold(ends[best], sizes[best], now, now + duration[n, best], size[n])
                total += reward[n, best]
            else:
                total += reward[n, best] if may_start[n, best] else loss[n]
        returns[b] = total
