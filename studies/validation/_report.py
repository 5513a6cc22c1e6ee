"""Tables of the coverage study, its verdicts, and its data file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from _judge import SILENT, Count, Record, Row, grouped
from _runs import EXACT, METHODS, SAMPLERS

_WIDEST, _WIDEST_EXACT, _FAR = 30.0, 100.0, 5.0
_HEAD = ("runs", "inside, %", "95 %", "99.9 %", "worst", "bar / error", "no bar, %")
_ENDINGS = ("ran", "refused", "stopped", "not resolved", "failed")
_STRATA = ("settings", "times", "start", "levels", "spins", "field", "beta", "damping")
_NUMBERS = {
    "inside": "errors inside their bars",
    "outside": "errors outside their bars",
    "undecided": "bars too narrow for the truth to judge them",
    "missing": "values without a bar",
    "worst": "largest error in units of its bar",
    "width": "median of bar / error",
}


def load(path: Path) -> list[Record]:
    """Return the records of a file; a line that was cut by an interrupt is left out."""
    records = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(Record.from_dict(json.loads(line)))
        except json.JSONDecodeError:
            continue
    return records


def variables_of(records: Sequence[Record]) -> dict[str, Any]:
    """Return the variables of the data file: one row per run, one entry per observable of a run."""
    texts = {
        "method": ([r.method for r in records], "method"),
        "kind": ([r.kind for r in records], "kind of the problem"),
        "outcome": ([r.outcome for r in records], "how the run ended"),
        **{key: ([r.strata.get(key, "") for r in records], f"stratum: {key}") for key in _STRATA},
    }
    found: dict[str, Any] = {
        name: ("run", np.array(values, dtype=object), "1", meaning)
        for name, (values, meaning) in texts.items()
    }
    entries = [(k, name, count) for k, r in enumerate(records) for name, count in r.counts.items()]
    found |= {
        "seed": ("run", np.array([r.seed for r in records]), "1", "seed"),
        "announced": ("run", np.array([r.spoken for r in records], dtype=np.int8), "1",
                      "whether a warning or a verdict says that something is wrong"),
        "seconds": ("run", np.array([r.seconds for r in records]), "s", "processor time"),
        "run_of": ("entry", np.array([k for k, _, _ in entries]), "1", "number of the run"),
        "observable": ("entry", np.array([n for _, n, _ in entries], dtype=object), "1",
                       "observable"),
    }  # fmt: skip
    for name, meaning in _NUMBERS.items():
        values = np.array([getattr(count, name) for _, _, count in entries])
        found[name] = ("entry", values, "1", meaning)
    return found


def records_of(data: xr.Dataset) -> list[Record]:
    """Return the records that a data file holds."""
    columns = {name: data[name].values.tolist() for name in data.data_vars}
    records = [
        Record(
            columns["method"][k], columns["kind"][k], columns["seed"][k],
            strata={key: columns[key][k] for key in _STRATA if columns[key][k]},
            outcome=columns["outcome"][k], spoken=bool(columns["announced"][k]),
            seconds=columns["seconds"][k],
        )
        for k in range(data.sizes["run"])
    ]  # fmt: skip
    for k, owner in enumerate(columns["run_of"]):
        count = Count(**{name: columns[name][k] for name in _NUMBERS})
        records[owner].counts[columns["observable"][k]] = count
    return records


def of_kind(record: Record, _: str) -> tuple[str, ...]:
    """Return the row of a table by kinds."""
    return record.method, record.kind


def _of_method(record: Record, name: str) -> tuple[str, ...]:
    return record.method, name


def _of_stratum(key: str) -> Callable[[Record, str], tuple[str, ...] | None]:
    def label(record: Record, _: str) -> tuple[str, ...] | None:
        value = record.strata.get(key)
        return None if value is None else (record.method, f"{key}: {value}")

    return label


TABLES: tuple[tuple[str, Callable[[Record, str], tuple[str, ...] | None]], ...] = (
    ("observable", _of_method),
    ("kind", of_kind),
    *((key, _of_stratum(key)) for key in _STRATA),
)


def cells(row: Row) -> tuple[str, ...]:
    """Return the numbers of a row as texts."""
    percent = lambda pair: f"{100 * pair[0]:.1f}-{100 * pair[1]:.1f}"  # noqa: E731
    return (
        f"{row.runs}", f"{100 * row.inside:.1f}", percent(row.usual), percent(row.wide),
        f"{row.worst:.2g}", f"{row.width:.2g}", f"{100 * row.missing:.0f}",
    )  # fmt: skip


def table(title: str, rows: Iterable[Row]) -> str:
    """Return rows as a table."""
    lines = [("method", title, *_HEAD), *((*row.label, *cells(row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def matrix(title: str, rows: Iterable[Row]) -> str:
    """Return the share inside, in per cent, and the number of runs, by method, as markdown."""
    found = {row.label: row for row in rows if row.runs}
    names = list(dict.fromkeys(name for _, name in found))
    lines = [(title, *METHODS), ("---",) * (1 + len(METHODS))]
    for name in sorted(names):
        each = [found.get((method, name)) for method in METHODS]
        lines.append((name, *(f"{100 * r.inside:.1f} ({r.runs})" if r else "" for r in each)))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def totals(records: Sequence[Record]) -> str:
    """Return all runs of every method together, as markdown."""
    head = ("method", "runs", "inside, %", "99.9 % interval", "largest error / bar",
            "median of bar / error", "at defaults")  # fmt: skip
    lines = [head, ("---",) * len(head)]
    default = {row.label[0]: row.width
               for row in grouped(records, _of_stratum("settings"))
               if row.label[1] == "settings: default"}  # fmt: skip
    for row in grouped(records, lambda record, _: (record.method,)):
        method, numbers = row.label[0], cells(row)
        width = default.get(method)
        lines.append((method, *numbers[:2], numbers[3], numbers[4], numbers[5],
                      "" if width is None else f"{width:.2g}"))  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdicts(records: Sequence[Record]) -> list[str]:
    """Return what is promised and does not hold."""
    found = []
    for title, label in TABLES:
        for row in grouped(records, label):
            name, method = ", ".join(row.label), row.label[0]
            if row.wide[1] < 0.95:
                found.append(f"{name}: {row.inside:.1%} inside in {row.runs} runs, 99.9 % interval "
                             f"to {row.wide[1]:.1%}")  # fmt: skip
            if title == "observable":
                found += [f"{name}: {word}" for word in _of_observable(row, method)]
    far = [r for r in silent(records) if r.worst > _FAR]
    return found + [f"{named(r)}: silent, {r.worst:.3g} bars" for r in far]


def _of_observable(row: Row, method: str) -> list[str]:
    """Return what is wrong with an observable of a method."""
    checks = (
        (row.inside < 0.95, f"{row.inside:.1%} inside instead of 95 %"),
        (method in SAMPLERS and row.inside > 0.965, f"{row.inside:.1%} inside, up to 96.5 % asked"),
        (row.width > (_WIDEST_EXACT if method in EXACT else _WIDEST),
         f"bars are {row.width:.2g} times the error"),
        (row.missing > 0, f"{row.missing:.0%} have no bar"),
    )  # fmt: skip
    return [sentence for wrong, sentence in checks if wrong]


def silent(records: Iterable[Record]) -> list[Record]:
    """Return runs of deterministic methods that err by some bars and do not say so."""
    bad = [r for r in records if r.method not in SAMPLERS and r.worst > SILENT and not r.spoken]
    return sorted(bad, key=lambda r: -r.worst)


def endings(records: Sequence[Record]) -> str:
    """Return how the runs ended and what they took, by method."""
    lines = []
    for method in METHODS:
        own = [r for r in records if r.method == method]
        counts = {name: sum(r.outcome == name for r in own) for name in _ENDINGS}
        ended = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        lines.append(f"{method}: {ended}; {sum(r.seconds for r in own):.0f} processor seconds")
    return "\n".join(lines)


def named(record: Record) -> str:
    """Return the words after --case that repeat a run."""
    return f'{record.method} "{record.kind}" {record.seed}'


def report(records: Sequence[Record]) -> str:
    """Return tables, verdicts, and the runs that should be looked at."""
    listed = {
        "not as promised": verdicts(records),
        f"silent, more than {SILENT:g} bars": [
            f"{r.worst:9.3g}  {named(r)}  {r.strata}  {r.settings}" for r in silent(records)],
        "refused, stopped or failed": [
            f"{r.outcome}  {named(r)}: {r.sentence}" for r in records
            if r.outcome in ("refused", "stopped", "failed")],
        "noise of other libraries": [
            f"{named(r)}: {r.sentence}" for r in records if r.outcome == "ran" and r.sentence],
    }  # fmt: skip
    parts = [table(title, grouped(records, label)) for title, label in TABLES]
    parts += [endings(records)]
    parts += ["\n".join([f"{head}:", *(lines or ["none"])]) for head, lines in listed.items()]
    return "\n\n".join(parts)


def show(record: Record) -> str:
    """Return one run in words."""
    lines = [
        f"{named(record)}: {record.outcome} in {record.seconds:.2f} s  {record.sentence}",
        f"{record.settings}  {record.strata}  {'announced' if record.spoken else 'silent'}",
    ]
    lines += [
        f"{name}: {c.inside} inside, {c.outside} outside, {c.undecided} undecided, "
        f"{c.missing} without bar, worst {c.worst:.3g} bars, bar / error {c.width:.3g}"
        for name, c in record.counts.items()
    ]
    return "\n".join(lines)
