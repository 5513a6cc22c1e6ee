"""Answers without output times as plain forms, which checkpoints hold."""

from __future__ import annotations

import dataclasses
from typing import Any

from tnhop.answers.correlation import Correlation
from tnhop.answers.error_budget import ErrorBudget
from tnhop.answers.spectrum import Spectrum
from tnhop.answers.steady_state import SteadyState
from tnhop.support.codec import state_form, state_of

_ANSWERS = {cls.__name__: cls for cls in (Correlation, Spectrum, SteadyState)}


def answer_form(answer: Any) -> dict[str, Any]:
    """Return class and fields of an answer."""
    fields = {f.name: getattr(answer, f.name) for f in dataclasses.fields(answer)}
    if "state" in fields:
        fields["state"] = state_form(fields["state"])
    if isinstance(budget := fields.get("errors"), ErrorBudget):
        fields["errors"] = {name: budget.sources(name) for name in budget}
    return {"class": type(answer).__name__, "fields": fields}


def answer_of(form: dict[str, Any]) -> Any:
    """Rebuild an answer from `answer_form`."""
    fields = dict(form["fields"])
    if "state" in fields:
        fields["state"] = state_of(fields["state"])
    if isinstance(fields.get("errors"), dict):
        fields["errors"] = ErrorBudget(fields["errors"])
    return _ANSWERS[form["class"]](**fields)
