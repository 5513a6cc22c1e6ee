"""Networks of swaps that bring every pair of sites together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class Meeting:
    """What happens at positions n and n + 1.

    Attributes
    ----------
    n : int
        The left one of the two positions.
    pair : (int, int) or None
        The two sites, by their position at the start, that interact here.
    swap : bool
        Whether the two change places (after interacting).
    turned : bool
        Whether the site of `pair` that comes first stands right.
    """

    n: int
    pair: Pair | None
    swap: bool
    turned: bool = False


def swap_network(pairs: Iterable[Pair], n_sites: int) -> list[Meeting]:
    """Let all pairs meet once: site after site walks to the last partner that it has left.

    The walker stands at an end of what is left, where it meets most partners on its way: all pairs
    of a chain need as many meetings as there are pairs, a star one walk, neighbours no swap.
    """
    left: dict[int, set[int]] = {site: set() for site in range(n_sites)}
    for i, j in pairs:
        left[i].add(j)
        left[j].add(i)
    order, meetings, here = list(range(n_sites)), list[Meeting](), 0
    while any(left.values()):
        busy = [n for n, site in enumerate(order) if left[site]]
        walks = [
            (n, step, _walk(order, left, n, step)) for n, step in ((busy[0], 1), (busy[-1], -1))
        ]
        n, step, walk = min(walks, key=lambda w: (len(w[2]) / sum(w[2]), abs(w[0] - here)))
        for k, interacts in enumerate(walk):
            at = min(n, n + step)
            first, second = order[at : at + 2]
            left[first].discard(second)
            left[second].discard(first)
            swap = k < len(walk) - 1 or _lengthened(order, left, at) < 0
            pair = (min(first, second), max(first, second)) if interacts else None
            meetings.append(Meeting(at, pair, swap, first > second))
            if swap:
                order[at : at + 2] = second, first
            n += step
        here = n
    return meetings


def _lengthened(order: list[int], left: dict[int, set[int]], at: int) -> int:
    """By how much the distances of all pairs grow if the sites at a position and the next swap."""
    place = {site: n for n, site in enumerate(order)}
    first, second = order[at : at + 2]
    grown = sum(1 if place[other] <= at else -1 for other in left[first])
    return grown + sum(1 if place[other] > at else -1 for other in left[second])


def _walk(order: list[int], left: dict[int, set[int]], n: int, step: int) -> list[bool]:
    """Whether a walker interacts with each site that it meets, up to its last partner."""
    others = order[n + 1 :] if step > 0 else order[:n][::-1]
    met = [other in left[order[n]] for other in others]
    return met[: len(met) - met[::-1].index(True)]
