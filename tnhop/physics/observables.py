"""Observables: labelled sets of operators, or functionals of the state.

An `Observable` carries its weights, dimensions and coordinates, so that no solver and no Result
needs the patterns to label a curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.physics.terms import Operator, Term, as_operator, destroy, number, sigma
from tnhop.support.checks import fail, kept, members, one_of, plain_array, wrong_type
from tnhop.support.codec import digest, register

__all__ = ["Functional", "Observable", "standard_observables"]


@register
@dataclass(frozen=True, eq=False)
class Functional:
    """A quantity that is not linear in the state: a method of the state and its arguments.

    Parameters
    ----------
    name : str
        Name of the method, such as ``"purity"`` or ``"overlap_distribution"``.
    arguments : tuple of (str, object)
        Keyword arguments of the method.
    """

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise wrong_type("name", "be the name of a method of states", self.name)
        condition = "be pairs of names and values"
        pairs = members(self.arguments, "arguments", condition, tuple | list)
        for pair in pairs:
            if len(pair) != 2 or not isinstance(pair[0], str):
                raise wrong_type("arguments", condition, pair)
        object.__setattr__(self, "arguments", tuple((name, kept(item)) for name, item in pairs))

    def __call__(self, state: Any) -> NDArray[Any]:
        """Evaluate on a state."""
        if not hasattr(state, self.name):
            raise wrong_type("state", f"offer `{self.name}`", state)
        return np.asarray(getattr(state, self.name)(**dict(self.arguments)))

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Functional) and digest(self) == digest(other)

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(digest(self))


@register
@dataclass(frozen=True)
class Observable:
    """A named array of expectation values.

    Parameters
    ----------
    name : str
        Name in ``result.expect``.
    operators : Operator or sequence of Operator
        The operators in row-major order of `dims`; leave out when `functional` is given.
    functional : Functional, optional
        A quantity that is not linear in the state.
    dims : sequence of str
        Names of the dimensions after time, such as ``("pattern",)``.
    coords : mapping of str to sequence
        Labels along each dimension; by default 0, 1, 2, ... for one dimension.

    Examples
    --------
    >>> Observable("zz", sigma("z")(0) * sigma("z")(1)).shape
    ()
    >>> Observable("ends", [sigma("x")(0), sigma("x")(3)], dims=["site"]).shape
    (2,)
    """

    name: str
    operators: Any = ()
    functional: Functional | None = None
    dims: Any = ()
    coords: Any = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise fail("name", "be a Python identifier", f"it is {self.name!r}")
        single = isinstance(self.operators, Operator | Term)
        items = [self.operators] if single else self.operators
        given = tuple(members(items, "operators", "be Operators", Operator | Term))
        if not isinstance(self.functional, Functional | None):
            raise wrong_type("functional", "be a Functional", self.functional)
        if (self.functional is None) == (not given):
            found = "both are given" if given else "neither is given"
            raise fail("operators", "be given exactly if `functional` is not", found)
        words = (self.dims,) if isinstance(self.dims, str) else self.dims
        dims = tuple(members(words, "dims", "be names of dimensions", str))
        if len(set(dims)) < len(dims) or not all(map(str.isidentifier, dims)):
            raise fail("dims", "be different Python identifiers", f"they are {dims}")
        if "time" in dims:
            raise fail("dims", "name the dimensions after time", "it contains 'time'")
        coords = self._labels()
        if len(dims) == 1 and not coords and given:
            coords = {dims[0]: range(len(given))}
        if set(coords) != set(dims):
            raise fail("coords", f"label the dimensions {dims}", f"it labels {tuple(coords)}")
        labels = tuple((dim, self._along(coords[dim])) for dim in dims)
        operators = tuple(as_operator(item) for item in given)
        if any(operator.functions for operator in operators):
            raise fail("operators", "have constant coefficients", "one depends on time")
        object.__setattr__(self, "operators", operators)
        object.__setattr__(self, "dims", dims)
        object.__setattr__(self, "coords", labels)
        if given and int(np.prod(self.shape)) != len(given):
            found = f"there are {len(given)} operators for the shape {self.shape}"
            raise fail("operators", "fill the dimensions", found)

    def _labels(self) -> dict[str, Any]:
        pairs = self.coords.items() if isinstance(self.coords, Mapping) else self.coords
        condition = "be a mapping from dimensions to labels"
        found = members(pairs, "coords", condition, tuple | list)
        if any(len(pair) != 2 or not isinstance(pair[0], str) for pair in found):
            raise wrong_type("coords", condition, self.coords)
        return dict(found)

    @staticmethod
    def _along(labels: Any) -> tuple[Any, ...]:
        array = plain_array(labels, "coords")
        if array.ndim != 1 or array.dtype.kind not in "biufU":
            raise wrong_type("coords", "hold lists of numbers or texts", labels)
        return tuple(array.tolist())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one evaluation, without time."""
        return tuple(len(labels) for _, labels in self.coords)

    @cached_property
    def is_complex(self) -> bool:
        """Whether some operator is not Hermitian."""
        return any(operator != operator.dag() for operator in self.operators)


def _pattern_overlap(xi: NDArray[np.int8], axis: str) -> Observable:
    """m_axis: overlap Σ_i ξ_i^μ ⟨σ_i⟩ / N of every pattern, Eq. (1) of docs/physics.md."""
    n_spins = xi.shape[1]
    operators = tuple(
        Operator(tuple(Term(row[i] / n_spins, ((i, axis),)) for i in range(n_spins))) for row in xi
    )
    return Observable(f"m_{axis}", operators, dims=("pattern",))


def _site_spins(axis: str, spins: tuple[int, ...]) -> Observable:
    operators = [sigma(axis)(site) for site in spins]
    return Observable(f"sigma_{axis}", operators, dims=("site",), coords={"site": spins})


def _two_point(axis: str, n_spins: int) -> Observable:
    pairs = [sigma(axis)(i) * sigma(axis)(j) for i in range(n_spins) for j in range(n_spins)]
    sites = tuple(range(n_spins))
    coords = (("site", sites), ("site_2", sites))
    return Observable(f"sigma_{axis}{axis}", tuple(pairs), dims=("site", "site_2"), coords=coords)


def _of_functional(name: str, arguments: Mapping[str, Any], **coords: Sequence[Any]) -> Observable:
    """Return the observable of the functional of that name, labelled by `coords`."""
    functional = Functional(name, tuple(arguments.items()))
    return Observable(name, functional=functional, dims=tuple(coords), coords=coords)


def _overlap_functionals(xi: NDArray[np.int8]) -> dict[str, Callable[[], Observable]]:
    """Return builders of distributions, moments and the Binder cumulant of the overlaps."""
    n_patterns, n_spins = xi.shape
    patterns, orders = range(n_patterns), (1, 2, 3, 4)
    values = lambda: (2 * np.arange(n_spins + 1) / n_spins - 1).round(12)  # noqa: E731
    return {
        "overlap_distribution": lambda: _of_functional(
            "overlap_distribution", {"xi": xi}, pattern=patterns, overlap=values()),
        "overlap_moments": lambda: _of_functional(
            "overlap_moments", {"xi": xi, "orders": orders}, pattern=patterns, order=orders),
        "joint_overlap_distribution": lambda: _of_functional(
            "joint_overlap_distribution", {"xi": xi},
            **{f"overlap_{mu}": values() for mu in patterns}),
        "binder_cumulant": lambda: _of_functional(
            "binder_cumulant", {"xi": xi}, pattern=patterns),
    }  # fmt: skip


def _mode_observables(modes: Mapping[int, int]) -> dict[str, Callable[[], Observable]]:
    """Return builders of amplitudes, occupations and photon statistics; sites to Fock levels."""
    sites, levels = tuple(modes), tuple(modes.values())
    return {
        "occupation": lambda: Observable("occupation", [number(s) for s in sites], dims=("mode",)),
        "alpha": lambda: Observable("alpha", [destroy(s) for s in sites], dims=("mode",)),
        "g2": lambda: _of_functional("g2", {"modes": sites}, mode=range(len(sites))),
        "photon_distribution": lambda: replace(
            _of_functional("photon_distributions", {"levels": levels},
                           mode=range(len(sites)), photons=range(max(levels))),
            name="photon_distribution"),
    }  # fmt: skip


def standard_observables(
    spins: Sequence[int],
    modes: Mapping[int, int],
    patterns: NDArray[np.int8] | None,
    hamiltonian: Operator,
) -> tuple[Mapping[str, Callable[[], Observable]], tuple[str, ...]]:
    """Return builders of all standard observables of a model, and the names of the default set.

    ``m_x, m_y, m_z`` have dims (pattern,), ``sigma_x, sigma_y, sigma_z`` (site,), ``occupation`` =
    ⟨a†a⟩ and ``alpha`` = ⟨a⟩ (mode,), neither divided by N; ``trace``, ``purity``, ``energy`` (of a
    constant Hamiltonian) are scalars. On request: two-point functions, distributions, moments and
    the Binder cumulant of the overlaps, the Edwards-Anderson order parameter, entropies, and of
    modes ``g2`` = g²(0) and ``photon_distribution``. `modes` maps their sites to their Fock levels.
    """
    build: dict[str, Callable[[], Observable]] = {}
    if patterns is not None:
        for axis in "xyz":
            build[f"m_{axis}"] = partial(_pattern_overlap, patterns, axis)
        build |= _overlap_functionals(patterns)
    if spins:
        for axis in "xyz":
            build[f"sigma_{axis}"] = partial(_site_spins, axis, tuple(spins))
            build[f"sigma_{axis}{axis}"] = partial(_two_point, axis, len(spins))
        build["edwards_anderson"] = lambda: _of_functional(
            "edwards_anderson", {"spins": tuple(spins)}
        )
    if modes:
        build |= _mode_observables(modes)
    build["trace"] = lambda: Observable("trace", Operator((Term(1.0),)))
    build["purity"] = lambda: Observable("purity", functional=Functional("purity"))
    for name in ("entropy", "renyi_entropy"):
        build[name] = partial(Observable, name, functional=Functional(name))
    unitary = bool(hamiltonian.terms) and not hamiltonian.functions
    energy = hamiltonian if unitary else Operator((Term(0.0),))  # as in the limit of weak fields
    if not hamiltonian.functions:
        build["energy"] = lambda: Observable("energy", energy)
    usual = ("m_x", "m_y", "m_z", "sigma_z", "occupation", "alpha", "trace", "purity", "energy")
    return build, tuple(name for name in usual if name in build and (name != "energy" or unitary))


def select_observables(
    requested: Any, default: Sequence[Observable], known: Mapping[str, Callable[[], Observable]]
) -> tuple[Observable, ...]:
    """Resolve ``None``, a name, an Observable or a list of those; names must not repeat."""
    if requested is None:
        return tuple(default)
    one = isinstance(requested, str | Observable)
    condition = "be names or Observables"
    items = members([requested] if one else requested, "observables", condition, object)
    if not items:
        raise fail("observables", "name at least one observable", "it is empty")
    defaults = {observable.name: observable for observable in default}
    chosen: dict[str, Observable] = {}
    for item in items:
        if isinstance(item, Observable):
            observable = item
        elif isinstance(item, str):
            name = one_of(item, "observables", sorted({*defaults, *known}))
            observable = defaults[name] if name in defaults else known[name]()
        else:
            raise wrong_type("observables", condition, item)
        if observable.name in chosen:
            raise fail("observables", "have distinct names", f"'{observable.name}' appears twice")
        chosen[observable.name] = observable
    _check_labels(chosen)
    return tuple(chosen.values())


def _check_labels(chosen: Mapping[str, Observable]) -> None:
    """Refuse names and labels that could not stand in one table or file."""
    coords: dict[str, tuple[Any, ...]] = {}
    for o in chosen.values():
        for dim, labels in o.coords:
            if coords.setdefault(dim, labels) != labels:
                found = f"'{o.name}' labels '{dim}' otherwise than the observables before it"
                raise fail("observables", "agree on the labels of a dimension", found,
                           "Name the dimension differently.")  # fmt: skip
    for name in chosen:
        reserved = {"time", "xi", "model", "observables", *coords}
        derived = [other for other in chosen if name.startswith(f"{other}_error")]
        derived += [other for other in chosen if name == f"{other}_determined"]
        derived += [other for other in chosen if name in (f"{other}_re", f"{other}_im")]
        if name in reserved or derived:
            raise fail("observables", "have names that stand for nothing else", f"one is '{name}'")


def real_parts(name: str, values: NDArray[Any]) -> list[tuple[str, NDArray[np.float64]]]:
    """Split a complex array into ``<name>_re`` and ``<name>_im``; files hold real numbers only."""
    if np.iscomplexobj(values):
        return [(f"{name}_re", values.real.copy()), (f"{name}_im", values.imag.copy())]
    return [(name, values)]
