"""Answer: the table, the texts, the figure and the citations that all answers have."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tnhop.answers.citations import cite
from tnhop.answers.tables import aligned
from tnhop.answers.verdict import determined_values, ranges_of, why
from tnhop.physics.model import Model
from tnhop.support import html

if TYPE_CHECKING:
    import xarray as xr

    from tnhop.storage.files import Content

__all__ = ["Answer", "ObservablesAnswer", "StoredAnswer", "printable"]


def printable(text: str) -> str:
    """Return a text that stdout can show: "+-" for "±" where its encoding has none."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("±", "+-").encode(encoding, "backslashreplace").decode(encoding)
    return text


class Answer(ABC):
    """Base of all answers; each kind defines its head, its rows and its figure.

    Attributes
    ----------
    columns : tuple of str
        Heads of the columns of the table; empty where labels and values need none.
    """

    columns: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:  # fields, or properties where they are those of other answers

        @property
        def model(self) -> Model:
            """The model that was solved."""

        @property
        def method(self) -> Any:
            """The method, or the methods, that solved it."""

    @abstractmethod
    def rows(self) -> Sequence[tuple[str, ...]]:
        """Return the rows of the table as texts."""

    @abstractmethod
    def _head(self) -> list[str]:
        """Return the title, mostly the model, and lines about method and quality."""

    @abstractmethod
    def _draw(self, **options: Any) -> Any:
        """Draw the answer with the options of `plot`."""

    def table(self) -> str:
        """Return the rows as aligned text."""
        return aligned(self.rows(), self.columns)

    def plot(self, ax: Any = None, *, width: float | str | None = None) -> Any:
        """Draw the answer into one Axes.

        A Spectrum is drawn in the complex plane, with the gap; a Correlation as real and imaginary
        part over the delay, with error bands; a Convergence as bars and changes over the runs.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        width : "column", "page" or float, optional
            For print: 3.4 or 7.0 inches, or a number of them. By default for the screen.

        Returns
        -------
        matplotlib Axes
        """
        return self._draw(ax=ax, width=width)

    def cite(self) -> str:
        """Return BibTeX of the software, and of the papers behind model, method and libraries."""
        return cite(self.model, self.method)

    def __repr__(self) -> str:
        """Return head and table."""
        return "\n".join([*self._head(), self.table()])

    def __str__(self) -> str:
        """Return the same in letters that stdout can show."""
        return printable(repr(self))

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks."""
        title, *lines = self._head()
        return html.card(title, *map(html.line, lines), html.table(self.rows(), self.columns))


class ObservablesAnswer(Answer):
    """Base of the answers that hold observables by name."""

    def plot(
        self,
        ax: Any = None,
        *,
        observables: Sequence[str] | None = None,
        width: float | str | None = None,
    ) -> Any:
        """Draw observables into one Axes.

        A Result is drawn over time, with error bands; a Comparison likewise, one line style per
        method; a SteadyState over the labels, with error bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        observables : sequence of str, optional
            Names; by default the overlaps, or else occupations or magnetisations.
        width : "column", "page" or float, optional
            For print: 3.4 or 7.0 inches, or a number of them. By default for the screen.

        Returns
        -------
        matplotlib Axes
        """
        return self._draw(ax=ax, observables=observables, width=width)


class StoredAnswer(ObservablesAnswer):
    """Base of the answers that have files; `load` rebuilds them by `from_content`."""

    if TYPE_CHECKING:

        @property
        def observables(self) -> tuple[Any, ...]:
            """Labels and definitions of what is in `expect`."""

        @property
        def stats(self) -> dict[str, Any]:
            """Effort, and what else a run tells."""

        @property
        def expect(self) -> dict[str, NDArray[Any]]:
            """Values by observable."""

        @property
        def errors(self) -> Any:
            """Half-widths by observable, or None."""

    @property
    def determined(self) -> dict[str, NDArray[np.bool_]]:
        """Observable → whether its values can be right, in the shape of ``expect``.

        False means undetermined: not a finite number, outside of the range of the observable by
        more than the error bar, a bar wider than the range, or values of what is no state any more.
        """
        if self not in _VERDICTS:
            ranges = ranges_of(self.observables, self.model, self.method)
            found = determined_values(self.expect, self.errors, ranges)
            _VERDICTS[self] = {
                n: right & self._is_state(right, ranges) for n, right in found.items()
            }
        return _VERDICTS[self]

    @property
    def undetermined(self) -> str:
        """Sentence about the values that cannot be right; empty if there are none."""
        return why(self)

    @abstractmethod
    def _is_state(self, right: NDArray[np.bool_], ranges: Any) -> Any:
        """Return whether the values belong to a state, broadcast to the shape of `right`."""

    @abstractmethod
    def to_xarray(self) -> xr.Dataset:
        """Return the labelled arrays that the file holds."""

    @abstractmethod
    def _stored_state(self) -> Any:
        """Return the state that the file holds, or None."""

    def _stored_states(self) -> Sequence[Any]:
        """Return the states at the output times that the file holds."""
        return ()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write one self-describing HDF5 file, all or nothing; `load` reads it.

        Parameters
        ----------
        path : str or path
            File to write, usually ``*.h5``.
        overwrite : bool
            Whether an existing file may be replaced.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        from tnhop.storage import files

        return files.write(path, self.to_content(), overwrite=overwrite)

    def to_content(self) -> Content:
        """Return the content of the file."""
        from tnhop.storage.files import Content

        return Content(
            type(self).__name__, self.to_xarray(), self.model, self.method, self.observables,
            self.stats, self._stored_state(), self._stored_states(),
        )  # fmt: skip

    @classmethod
    @abstractmethod
    def from_content(cls, content: Any) -> StoredAnswer:
        """Rebuild the answer from the content of its file."""


_VERDICTS: WeakKeyDictionary[StoredAnswer, dict[str, NDArray[np.bool_]]] = WeakKeyDictionary()
