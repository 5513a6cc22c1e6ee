"""Networks of swaps that bring every pair of sites together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class SwapStep:
    """Interaction and swap of the sites at positions n and n + 1.

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


def swap_network(pairs: Iterable[Pair], n_sites: int) -> list[SwapStep]:
    """Let all pairs meet once: site after site walks to the last partner that it has not met yet.

    The walker stands at an end of the remaining sites, where it meets most partners on its way: all
    pairs of a chain need as many steps as there are pairs, a star one walk, neighbours no swap.
    """
    partners: dict[int, set[int]] = {site: set() for site in range(n_sites)}
    for i, j in pairs:
        partners[i].add(j)
        partners[j].add(i)
    order, steps, here = list(range(n_sites)), list[SwapStep](), 0
    while any(partners.values()):
        busy = [n for n, site in enumerate(order) if partners[site]]
        walks = [
            (n, direction, _encounters(order, partners, n, direction))
            for n, direction in ((busy[0], 1), (busy[-1], -1))
        ]
        n, direction, walk = min(walks, key=lambda w: (len(w[2]) / sum(w[2]), abs(w[0] - here)))
        for k, interacts in enumerate(walk):
            at = min(n, n + direction)
            first, second = order[at : at + 2]
            partners[first].discard(second)
            partners[second].discard(first)
            swap = k < len(walk) - 1 or _distance_change(order, partners, at) < 0
            pair = (min(first, second), max(first, second)) if interacts else None
            steps.append(SwapStep(at, pair, swap, first > second))
            if swap:
                order[at : at + 2] = second, first
            n += direction
        here = n
    return steps


def _distance_change(order: list[int], partners: dict[int, set[int]], at: int) -> int:
    """Return the change of the distances of all pairs if the sites at n = `at` and n + 1 swap."""
    place = {site: n for n, site in enumerate(order)}
    first, second = order[at : at + 2]
    grown = sum(1 if place[other] <= at else -1 for other in partners[first])
    return grown + sum(1 if place[other] > at else -1 for other in partners[second])


def _encounters(
    order: list[int], partners: dict[int, set[int]], n: int, direction: int
) -> list[bool]:
    """Return, site by site up to its last partner, whether a walker interacts with it."""
    others = order[n + 1 :] if direction > 0 else order[:n][::-1]
    met = [other in partners[order[n]] for other in others]
    return met[: len(met) - met[::-1].index(True)]
