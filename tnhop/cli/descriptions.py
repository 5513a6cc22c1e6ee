"""What `tnhop info` and `tnhop estimate` say: versions, contents and costs."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from tnhop.answers.result import Result
from tnhop.answers.steady_state import SteadyState
from tnhop.answers.verdict import UNDETERMINED
from tnhop.models import ALL_MODELS
from tnhop.physics.problem import Problem
from tnhop.solvers.choice import choose_method
from tnhop.solvers.registry import ALL_METHODS, known_methods


def _summary(obj: Any) -> str:
    first = (obj.__doc__ or "").strip().splitlines()[0]
    return re.sub(r"\s*:math:`.*", "", first).rstrip(" .:")


def system() -> list[str]:
    """Return versions, machine, models and methods."""
    from numba import get_num_threads
    from threadpoolctl import threadpool_info

    lines = [f"tnhop {metadata.version('tnhop')}, Python {platform.python_version()}"]
    versions = []
    for name in ("numpy", "scipy", "numba", "quimb", "xarray", "qutip"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    lines.append(", ".join(versions))
    memory = "unknown"
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.3g} GB"
    threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    cores = f"{os.cpu_count()} cores, {memory} memory"
    lines.append(f"{cores}; threads: numba {get_num_threads()}, linear algebra {threads}")
    for title, family in (("models", ALL_MODELS), ("methods", known_methods())):
        lines += ["", f"{title}:"]
        lines += [f"  {name:<18} {_summary(obj)}" for name, obj in family.items()]
    return lines


def contents(found: Any) -> list[str]:
    """Return the contents of a file or of the folder of a sweep."""
    if isinstance(found, Result):
        return _of_result(found)
    if isinstance(found, SteadyState):
        return [repr(found), _stats(found.stats)]
    attrs = found.attrs
    axes = [f"{name} ({found.sizes[name]})" for name in attrs["axes"]]
    failed = int((found["failure"] != "").sum()) if "failure" in found else 0
    wrong = {
        str(name): int((array == 0).sum()) for name, array in found.data_vars.items()
        if str(name).endswith("_determined")
    }  # fmt: skip
    counts = ", ".join(f"{n.removesuffix('_determined')} {k}" for n, k in wrong.items() if k)
    return [
        f"sweep: {attrs['verb']} over {', '.join(axes)}",
        f"points: {attrs['points']}; {attrs['missing']} without an answer, {failed} of them failed",
        f"methods: {', '.join(attrs['methods'])}",
        "variables: " + ", ".join(f"{name} {a.shape}" for name, a in found.data_vars.items()),
        *([f"{UNDETERMINED} values: {counts}"] if counts else []),
    ]


def _stats(stats: Mapping[str, Any]) -> str:
    kept = {k: v for k, v in stats.items() if k not in {"config", "overrides"}}
    return "stats: " + ", ".join(f"{key} = {value}" for key, value in kept.items())


def _of_result(result: Result) -> list[str]:
    state = "none" if result.final_state is None else type(result.final_state).__name__
    lines = [
        repr(result),
        f"times: {len(result.times)} from {result.times[0]:g} to {result.times[-1]:g}",
        "observables: " + ", ".join(f"{n} {v.shape}" for n, v in result.expect.items()),
        f"final state: {state}",
        _stats(result.stats),
    ]
    if "config" in result.stats:
        changed = "".join(f" --set {text}" for text in result.stats["overrides"])
        lines += [f"config{' with' + changed if changed else ''}:", ""]
        lines += [f"  {line}".rstrip() for line in result.stats["config"].splitlines()]
    return lines


def estimates(problem: Problem, methods: Sequence[Any]) -> list[str]:
    """Return the costs of a problem with every method, and mark the one that "auto" takes.

    `methods` stand for their kind with their own settings; other kinds have their defaults.
    """
    own = {type(method).__name__: method for method in methods}
    others = {name: kind() for name, kind in known_methods().items() if name not in own}
    listed = {name: own.get(name) or others[name] for name in known_methods()}
    listed |= {name: method for name, method in own.items() if name not in listed}
    reasons = {name: method.supports(problem, "evolve") for name, method in listed.items()}
    with_defaults = (kind().supports(problem, "evolve") for kind in ALL_METHODS.values())
    taken = ""
    if None in with_defaults:
        taken = type(choose_method(problem, "auto", "evolve")).__name__
    times = np.asarray(problem.times)
    width = max(map(len, listed))
    lines = [problem.model.summary, f"{len(times)} times up to t = {times[-1]:g}"]
    for name, method in listed.items():
        mark = "*" if name == taken else " "
        text = f"no: {reasons[name]}" if reasons[name] else str(method.estimate(problem, "evolve"))
        lines.append(f"{mark} {name:<{width}}  {text}")
        if name in own and own[name] != type(own[name])():
            lines.append(f"  {'':<{width}}  with {own[name]!r}")
    note = '* what method = "auto" takes, with its defaults' if taken else "No method can solve it."
    return [*lines, note]
