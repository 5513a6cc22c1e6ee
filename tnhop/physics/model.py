"""Model: a list of symbolic terms over named sites. It holds no matrix and no basis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnhop.patterns.ensembles import check_patterns
from tnhop.physics.jumps import FieldJump, Jump, kinds_of_jumps
from tnhop.physics.observables import Observable, select_observables, standard_observables
from tnhop.physics.operators import kind_of
from tnhop.physics.rate_scale import rate_scale, site_rates
from tnhop.physics.terms import Operator, Term, as_operator, kinds_of_terms, pauli_terms
from tnhop.physics.time_base import TimeFunction
from tnhop.support import html
from tnhop.support.checks import fail, integer, integers, kept, members, one_of, real, wrong_type
from tnhop.support.codec import digest, register

__all__ = ["Model", "Recipe", "Site", "modes", "spins"]

_MOST_SITES = _MOST_LEVELS = 10**6
_DRAWN = 2000  # entries of patterns that a notebook draws


@register
@dataclass(frozen=True)
class Site:
    """A spin 1/2 or a mode.

    Parameters
    ----------
    kind : str
        ``"spin"`` or ``"mode"``.
    dim : int
        Dimension of the local space: 2, or the number of kept Fock levels.
    name : str
        Label in tables and plots.
    """

    kind: str
    dim: int
    name: str

    def __post_init__(self) -> None:
        one_of(self.kind, "kind", ["spin", "mode"])
        minimum, maximum = (2, 2) if self.kind == "spin" else (2, _MOST_LEVELS)
        name = "fock_dim" if self.kind == "mode" else "dim"
        dim = integer(self.dim, name, minimum=minimum, maximum=maximum)
        object.__setattr__(self, "dim", dim)
        if not isinstance(self.name, str):
            raise wrong_type("name", "be a text", self.name)


def spins(n_spins: int) -> tuple[Site, ...]:
    """Return `n_spins` spin sites.

    Parameters
    ----------
    n_spins : int
        Number of spins.
    """
    n_spins = integer(n_spins, "n_spins", minimum=0, maximum=_MOST_SITES)
    return tuple(Site("spin", 2, f"spin {k}") for k in range(n_spins))


def modes(n_modes: int, *, fock_dim: int | Sequence[int]) -> tuple[Site, ...]:
    """Return `n_modes` mode sites.

    Parameters
    ----------
    n_modes : int
        Number of modes.
    fock_dim : int or sequence of int
        Number of kept Fock levels, at least 2, of all modes or of each.
    """
    n_modes = integer(n_modes, "n_modes", minimum=0, maximum=_MOST_SITES)
    if isinstance(fock_dim, Sequence) or getattr(fock_dim, "ndim", None):
        dims = integers(fock_dim, "fock_dim", minimum=2)
    else:
        dims = [integer(fock_dim, "fock_dim", minimum=2)] * n_modes
    if len(dims) != n_modes:
        raise fail("fock_dim", f"be one number or {n_modes} numbers", f"it has {len(dims)}")
    return tuple(Site("mode", dim, f"mode {k}") for k, dim in enumerate(dims))


@register
@dataclass(frozen=True, eq=False)
class Recipe:
    """Provenance of a model: function and arguments; the terms alone are its physics.

    Parameters
    ----------
    function : str
        Name of the model function.
    arguments : tuple of (str, object)
        Its arguments.
    """

    function: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "arguments", kept(self.arguments))

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Recipe) and digest(self) == digest(other)

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(digest(self))


@register
@dataclass(frozen=True, eq=False)
class Model:
    r"""Open quantum system :math:`\dot\rho = -i[H,\rho] + \sum_L D[L]\rho`, Eq. (9) of physics.md.

    Parameters
    ----------
    sites : sequence of Site
        ``th.spins(n)``, followed by ``th.modes(m, fock_dim=...)``. Spins come first.
    hamiltonian : Operator
        Hermitian sum of terms (hbar = 1). Coefficients may be functions of time.
    jumps : iterable of Jump or FieldJump
        Jump operators, rates inside.
    observables : iterable of Observable, optional
        Default set of `evolve`; by default the standard one.
    patterns : array_like, shape (n_patterns, n_spins), optional
        Patterns that define the overlaps m_x, m_y, m_z.
    recipe : Recipe, optional
        Provenance.

    Raises
    ------
    ValueError
        If a term acts on a missing site or the wrong kind of site, or the Hamiltonian is not
        Hermitian.

    Examples
    --------
    >>> from tnhop import sigma
    >>> model = Model(spins(2), 0.5 * sigma("x")(0), [Jump(sigma("-")(1))])
    >>> model.n_sites, model.hilbert_dim
    (2, 4)
    """

    sites: tuple[Site, ...]
    hamiltonian: Operator
    jumps: tuple[Jump | FieldJump, ...] = ()
    observables: tuple[Observable, ...] | None = None
    patterns: NDArray[np.int8] | None = None
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        put("sites", _check_sites(self.sites))
        put("hamiltonian", self._check_hamiltonian())
        put("jumps", self._check_jumps(self.jumps))
        if self.patterns is not None:
            put("patterns", kept(check_patterns(self.patterns, "patterns")))
            if self.patterns.shape[1] != self.n_spins:
                found = f"has shape {self.patterns.shape}"
                raise fail("patterns", f"have shape (n_patterns, {self.n_spins})", found)
        if not isinstance(self.recipe, Recipe | None):
            raise wrong_type("recipe", "be a Recipe", self.recipe)
        chosen = self._standard[1] if self.observables is None else self.observables
        put("observables", ())  # so that names are those of the standard set
        nothing = isinstance(chosen, tuple | list) and not chosen
        put("observables", () if nothing else self.select(chosen))

    def _check_hamiltonian(self) -> Operator:
        H = self.hamiltonian
        if isinstance(H, bool) or not isinstance(H, Operator | Term | int | float):
            raise wrong_type("hamiltonian", "be an Operator", self.hamiltonian)
        H = as_operator(self.hamiltonian)
        self._check_operator(H, "hamiltonian")
        adjoint = H.dag()
        if adjoint != H and any(map(_not_hermitian, H.by_function().values())):
            odd = (H - adjoint).terms
            found = f"the term on {odd[0].factors} has no Hermitian partner"
            raise fail("hamiltonian", "be Hermitian", found)
        return H

    def _check_jumps(self, jumps: Iterable[Jump | FieldJump]) -> tuple[Jump | FieldJump, ...]:
        one = isinstance(jumps, Jump | FieldJump)
        condition = "be an iterable of Jump and FieldJump"
        checked = tuple(members([jumps] if one else jumps, "jumps", condition, object))
        for k, jump in enumerate(checked):
            if isinstance(jump, Jump):
                self._check_operator(jump.operator, f"jumps[{k}]")
            elif isinstance(jump, FieldJump):
                self._check_field_jump(jump, f"jumps[{k}]")
            else:
                raise wrong_type(f"jumps[{k}]", "be a Jump or a FieldJump", jump)
        return checked

    def _check_operator(self, operator: Operator, name: str) -> None:
        for term in operator.terms:
            for site, local in term.factors:
                if site >= self.n_sites:
                    found = f"it acts on site {site}"
                    raise fail(name, f"act on the {self.n_sites} sites of the model", found)
                if kind_of(local) != self.sites[site].kind:
                    found = f"'{local}' acts on site {site}, a {self.sites[site].kind}"
                    raise fail(name, "use operators of the right kind", found)

    def _check_field_jump(self, jump: FieldJump, name: str) -> None:
        if jump.fields.shape[1] != self.n_sites:
            found = f"has shape {jump.fields.shape}"
            raise fail(f"{name}.fields", f"have shape (n_fields, {self.n_sites})", found)
        for site in jump.sites:
            if self.sites[site].kind != "spin":
                raise fail(f"{name}.fields", "sum over spins", f"site {site} is a mode")

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.sites)

    @cached_property
    def spins(self) -> tuple[int, ...]:
        """Positions of the spins."""
        return tuple(k for k, site in enumerate(self.sites) if site.kind == "spin")

    @cached_property
    def modes(self) -> tuple[int, ...]:
        """Positions of the modes."""
        return tuple(k for k, site in enumerate(self.sites) if site.kind == "mode")

    @property
    def n_spins(self) -> int:
        """Number of spins."""
        return len(self.spins)

    @property
    def n_modes(self) -> int:
        """Number of modes."""
        return len(self.modes)

    @property
    def dims(self) -> tuple[int, ...]:
        """Local dimensions, site by site."""
        return tuple(site.dim for site in self.sites)

    @property
    def hilbert_dim(self) -> int:
        """Dimension of the Hilbert space, an exact integer."""
        product = 1
        for dim in self.dims:
            product *= dim
        return product

    @cached_property
    def site_rates(self) -> NDArray[np.float64]:
        """Rate at which every site is changed, Eq. (81) of docs/physics.md."""
        model = self.largest()
        rates = site_rates(self.n_sites, model.hamiltonian, model.jumps)
        rates.setflags(write=False)
        return rates

    @cached_property
    def field_rate(self) -> float:
        """Largest rate of the field jumps of a spin; 1 if there are none."""
        jumps = [jump for jump in self.largest().jumps if isinstance(jump, FieldJump)]
        return float(site_rates(self.n_sites, Operator(()), jumps).max()) if jumps else 1.0

    @cached_property
    def rate_scale(self) -> float:
        """Unit of the rates: their geometric mean over the sites that change, Eq. (82).

        Examples
        --------
        >>> from tnhop import sigma
        >>> Model(spins(1), 0.0, [Jump(3.0 * sigma("-")(0))]).rate_scale
        9.0
        """
        return rate_scale(self.site_rates)

    @cached_property
    def time_functions(self) -> tuple[TimeFunction, ...]:
        """Numbers that depend on time; none in a constant model."""
        inside = (f for jump in self.jumps for f in jump.time_functions)
        return tuple(dict.fromkeys((*self.hamiltonian.functions, *inside)))

    def at(self, t: float) -> Model:
        """Return the model with the numbers of a time.

        Parameters
        ----------
        t : float
            The time.

        Examples
        --------
        >>> from tnhop import ramp, sigma
        >>> Model(spins(1), ramp(0.0, 2.0, duration=4.0) * sigma("x")(0)).at(1.0).hamiltonian
        Operator(terms=(Term(coefficient=0.5, factors=((0, 'x'),)),))
        """
        t = real(t, "t")
        if not self.time_functions:
            return self
        jumps = [now for jump in self.jumps if (now := jump.at(t)) is not None]
        hamiltonian = self.hamiltonian.at(t)
        return replace(self, hamiltonian=hamiltonian, jumps=tuple(jumps), recipe=None)

    def largest(self) -> Model:
        """Return the constant model with the bounds of functions of time in their place."""
        if not self.time_functions:
            return self
        jumps = tuple(jump.largest() for jump in self.jumps)
        return replace(self, hamiltonian=self.hamiltonian.largest(), jumps=jumps, recipe=None)

    def check_constant(self) -> None:
        """Refuse a model that depends on time."""
        if self.time_functions:
            raise fail("model", "be constant in time", "numbers of it depend on time",
                       "Use `model.at(t)`, the constant model of one time.")  # fmt: skip

    @cached_property
    def _standard(self) -> tuple[Any, tuple[str, ...]]:
        levels = {site: self.sites[site].dim for site in self.modes}
        return standard_observables(self.spins, levels, self.patterns, self.hamiltonian)

    def select(self, observables: Any = None) -> tuple[Observable, ...]:
        """Resolve names and Observables; None stands for the model's own set.

        Parameters
        ----------
        observables : None, str, Observable or list of those
            Names may be any of the standard ones.
        """
        chosen = select_observables(observables, self.observables or (), self._standard[0])
        for observable in chosen:
            for operator in observable.operators:
                self._check_operator(operator, f"observables['{observable.name}']")
        return chosen

    def with_levels(self, levels: Sequence[int]) -> Model:
        """Return the model with so many Fock levels per mode; the terms stay as they are.

        Parameters
        ----------
        levels : sequence of int
            The `fock_dim` of every mode.
        """
        levels = integers(levels, "levels", minimum=2)
        fresh, recipe = modes(self.n_modes, fock_dim=levels), self.recipe
        if recipe is not None:
            arguments = dict(recipe.arguments) | {"fock_dim": np.array(levels)}
            recipe = Recipe(recipe.function, tuple(arguments.items()))
        spins, old = self.sites[: self.n_spins], self.sites[self.n_spins :]
        named = [replace(a, name=b.name) for a, b in zip(fresh, old, strict=True)]
        return replace(self, sites=(*spins, *named), recipe=recipe)

    @cached_property
    def digest(self) -> str:
        """Digest of sites, terms and patterns: the identity of the physics."""
        return digest((self.sites, self.hamiltonian, self.jumps, self.patterns))

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: what is cached is made anew, and some of it cannot be copied."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __eq__(self, other: object) -> bool:
        """Compare by terms."""
        return isinstance(other, Model) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash by terms."""
        return hash(self.digest)

    @property
    def summary(self) -> str:
        """Origin and size in one line: spins, modes with their levels, patterns, terms, jumps.

        Examples
        --------
        >>> from tnhop import sigma
        >>> Model(spins(2), 0.5 * sigma("x")(0), [Jump(sigma("-")(1))]).summary
        'Model: 2 spins, 1 Hamiltonian terms, 1 jumps'
        """
        origin = self.recipe.function if self.recipe else "Model"
        parts = [f"{self.n_spins} spins"]
        if self.n_modes:
            levels = ", ".join(str(self.sites[k].dim) for k in self.modes)
            parts.append(f"{self.n_modes} modes ({levels} levels)")
        if self.patterns is not None:
            parts.append(f"{len(self.patterns)} patterns")
        parts.append(f"{len(self.hamiltonian.terms)} Hamiltonian terms")
        parts.append(f"{len(self.jumps)} jumps")
        return f"{origin}: {', '.join(parts)}"

    def __repr__(self) -> str:
        """Return the summary in angle brackets."""
        return f"<{self.summary}>"

    def _repr_html_(self) -> str:
        """Return sites, terms and patterns as a table for notebooks."""
        rows = [("spins", str(self.n_spins))]
        if self.modes:
            levels = ", ".join(str(self.sites[k].dim) for k in self.modes)
            rows.append(("modes", f"{self.n_modes} ({levels} levels)"))
        rows += [("Hamiltonian", text) for text in kinds_of_terms(self.hamiltonian.terms)]
        rows += kinds_of_jumps(self.jumps)
        numbers = self.recipe.arguments if self.recipe else ()
        rows += [(name, f"{v:g}") for name, v in numbers if isinstance(v, int | float) and v]
        rows.append(("observables", ", ".join(o.name for o in self.observables or ())))
        parts = [html.table(rows)]
        if self.patterns is not None and self.patterns.size <= _DRAWN:
            title = f"{len(self.patterns)} patterns, one per row: red +1, blue -1"
            parts += [html.line(title), html.image(self.patterns, title)]
        return html.card(self.recipe.function if self.recipe else "Model", *parts)


def _check_sites(sites: Iterable[Site]) -> tuple[Site, ...]:
    found = members(sites, "sites", "be a sequence of Site", Site, "Use `th.spins(n)`.")
    checked = tuple(found)
    if not checked:
        raise fail("sites", "contain at least one site", "it is empty")
    kinds = [site.kind for site in checked]
    if kinds != sorted(kinds, reverse=True):
        raise fail("sites", "list spins before modes", f"the kinds are {kinds}")
    return checked


def _not_hermitian(operator: Operator) -> bool:
    """Decide in the Pauli basis, because ``+``, ``up``, ``x`` ... are not independent names.

    Rounding is measured in the largest coefficient.
    """
    largest = max(map(abs, pauli_terms(operator).values()), default=0.0)
    odd = pauli_terms(operator - operator.dag()).values()
    return any(abs(c) > 1e-12 * largest for c in odd)
