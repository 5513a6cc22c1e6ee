"""Error bars beside true errors, for problems of many kinds.

Question: is the true error inside the bar, for which kinds of problems, and is the bar too wide?

Random problems of the kinds of `_kinds.py` and `_stationary.py` (asymmetric, antisymmetric and
feed-forward networks, cold and hot, weak and strong fields, exchange of spins, glasses, collective
jumps, strong damping, nonlinear and nearly unstable modes; pure, tilted and mixed starts; uneven,
dense and very late times; restarts and quenches; 2 to 1000 samples), at default and at random
settings. The truth shares no code with the method: dense matrices from the terms of the model and
closed forms, `Exact` beside chains of more than four spins, `Symmetric` beside long chains,
`ClassicalMaster` beside samples. The run is the unit: errors inside one run go wrong together.

Command: python studies/validation/coverage_of_bars.py [--minutes M] [--table] [--plot-only]
Run time: three hours, one thread. coverage_of_bars.jsonl keeps every run, for the next.

Verdicts, and the runs that break them, are in the report of --table; --markdown prints the tables
of docs/accuracy.md; --case TDVP "strong damping" 17 repeats one run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "beyond_mean_field")]
from _judge import Record, grouped
from _report import (
    TABLES,
    endings,
    load,
    matrix,
    of_kind,
    records_of,
    report,
    show,
    totals,
    variables_of,
)
from _runs import METHODS, cases, run
from _study import COLOURS, labelled, panels, title, write_png

FILE = Path(__file__).with_suffix(".jsonl")


@dataclass(frozen=True)
class Params:
    """Number of problems of every kind, the first seed, and what is run."""

    problems: float = 100.0
    first_seed: int = 20_000
    methods: tuple[str, ...] = tuple(METHODS)
    kinds: str = ""  # only those with this text in their names
    longest: float = 40.0  # seconds after which a leg is stopped

    @classmethod
    def tiny(cls) -> Params:
        """Smallest useful parameters, for tests."""
        return cls(problems=1, methods=("Exact", "ClassicalMaster", "KineticMonteCarlo"),
                   kinds="classical network")  # fmt: skip


def planned(params: Params) -> Iterator[tuple[str, str, int]]:
    """Yield the method, kind and seed of all runs, seed by seed."""
    last = params.first_seed + params.problems
    every = itertools.takewhile(lambda c: c[2] < last, cases(params.methods, params.first_seed))
    return (case for case in every if params.kinds in case[1])


def go_on(params: Params, path: Path, minutes: float) -> list[Record]:
    """Run what the file does not hold yet until the time is used up; return all it holds then."""
    done = {(r.method, r.kind, r.seed) for r in load(path)}
    end = time.process_time() + 60 * minutes
    with path.open("a") as stream:
        for case in planned(params):
            if time.process_time() > end:
                break
            if case not in done:
                stream.write(json.dumps(run(*case, params.longest).as_dict()) + "\n")
                stream.flush()
    return load(path)


def data_of(params: Params, records: list[Record]) -> xr.Dataset:
    """Return the labelled data of some runs."""
    return labelled(params, "true error beside its bar, by kind", variables_of(records), {})


def compute(params: Params) -> xr.Dataset:
    """Return the data of all planned runs."""
    return data_of(params, [run(*case, params.longest) for case in planned(params)])


def plot(data: xr.Dataset) -> Figure:
    """One panel per method: the share inside, by kind, with its 99.9 % interval."""
    rows = grouped(records_of(data), of_kind)
    figure, axes = panels(3, 2, (10, 13))
    for ax, method in zip(axes.flat, METHODS, strict=True):
        own = [row for row in rows if row.label[0] == method and row.runs][::-1]
        y, share = np.arange(len(own)), np.array([row.inside for row in own])
        reach = np.array([row.wide for row in own]).reshape(-1, 2).T
        ax.errorbar(share, y, xerr=np.abs(reach - share), fmt="o", ms=4, color=COLOURS[0])
        ax.axvline(0.95, color="k", lw=1)
        ax.set_yticks(y, [row.label[1] for row in own], fontsize="x-small")
        ax.set(xlabel="share of errors inside the bar", ylabel="kind of problem", xlim=(0, 1.02))
        widths = [row.width for row in own if math.isfinite(row.width)]
        typical = f", bar / error {np.median(widths):.2g}" if widths else ""
        title(ax, f"{method}: {sum(row.runs for row in own)} runs{typical}")
    return figure


def write(params: Params, records: list[Record]) -> None:
    """Write the data file."""
    data = data_of(params, records)
    data.attrs["run_time"] = f"{sum(r.seconds for r in records):.0f} s without the truth"
    packing = {name: {"zlib": True, "complevel": 4} for name in data if data[name].dtype != object}
    data.to_netcdf(Path(__file__).with_suffix(".h5"), engine="h5netcdf", encoding=packing)


def stored() -> xr.Dataset:
    """Return the content of the data file."""
    with xr.open_dataset(Path(__file__).with_suffix(".h5"), engine="h5netcdf") as data:
        return data.load()


def arguments() -> argparse.Namespace:
    """Return the words of the command line."""
    parser = argparse.ArgumentParser(description="Coverage of error bars.")
    parser.add_argument("--minutes", type=float, default=180.0, help="processor time")
    parser.add_argument("--share", type=float, default=1.0, help="part of the problems")
    parser.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--kinds", default="", help="only kinds with this text in their names")
    parser.add_argument("--seed", type=int, default=Params.first_seed, help="first seed")
    parser.add_argument("--longest", type=float, default=Params.longest, help="of a leg, in s")
    parser.add_argument("--file", type=Path, default=FILE, help="records, one run a line")
    parser.add_argument("--table", action="store_true", help="report what the file holds and stop")
    parser.add_argument("--markdown", action="store_true", help="tables of the data for docs")
    parser.add_argument("--plot-only", action="store_true", help="redraw from the data")
    parser.add_argument("--case", nargs=3, metavar=("METHOD", "KIND", "SEED"), help="one run")
    return parser.parse_args()


def main() -> None:
    """Run the study, or print what its files hold."""
    chosen = arguments()
    if chosen.case:
        method, kind, seed = chosen.case
        print(show(run(method, kind, int(seed))))
    elif chosen.table:
        print(report(load(chosen.file)))
    elif chosen.markdown:
        records = records_of(stored())
        parts = [matrix(head, grouped(records, label)) for head, label in TABLES[:2]]
        print("\n\n".join([totals(records), *parts, endings(records)]))
    elif not chosen.plot_only:
        params = Params(Params.problems * chosen.share, chosen.seed, tuple(chosen.methods),
                        chosen.kinds, chosen.longest)  # fmt: skip
        records = go_on(params, chosen.file, chosen.minutes)
        print(report(records))
        if chosen.file == FILE:
            write(params, records)
    if chosen.plot_only or not (chosen.case or chosen.table or chosen.markdown):
        write_png(plot(stored()), Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
