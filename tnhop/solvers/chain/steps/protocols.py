"""What a step of TDVP asks of a generator: its cores, their environments, maps between tensors.

Three kinds meet it: dense blocks (`environments`), blocks of a parity (`parity_environments`) and
sparse matrices of modes (`mode_environments`). Legs::

    Environment (bra, ket, D)    RightEnvironment (ket, D, bra)    tensor (left, n, right)

    bra ─┐                                                      ┌─ bra
         E─ D      SiteEnvironment:  E ─ D ─ core ─ D₂          │
    ket ─┘         (bra, n', ket, n, D₂)                   D ─ E ┴─ ket

A sweep goes from left to right; one to the left is the same on the mirrored chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tnhop.solvers.chain.network.mode_core import ModeCore
from tnhop.support.arrays import Array

Kind = TypeVar("Kind")


class LinearMap(Protocol):
    """A linear map between arrays of one shape."""

    def __call__(self, v: Array, /) -> Array:
        """Apply the map."""

    def exponential(self, v: Array, t: float, tolerance: float) -> tuple[Array, int, float]:
        """Return exp(t A) v, the number of applications and the estimated error, see `krylov`."""


class Layout(Protocol):
    """An array (left, n, right) as the vector on which effective generators act, and as blocks."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""

    def pack(self, v: Array) -> Array:
        """Return the vector of an array."""

    def unpack(self, v: Array) -> Array:
        """Return the array of a vector; its columns must be those of a bond."""

    def matrices(self, v: Array, columns: tuple[int, int] | None = None) -> list[Array]:
        """Return the blocks (left n, right) of a vector, or of one with other columns."""

    def merge_left(self, blocks: Sequence[Array]) -> Array:
        """Return the array (left, n, new bond) of blocks."""

    def pack_right(self, blocks: Sequence[Array]) -> Array:
        """Return the blocks of a matrix (new bond, right) as one array."""

    def unpack_right(self, S: Array, dims: Sequence[int]) -> Array:
        """Return it as a matrix, from the states of the new bond."""

    def restrict_rows(self, string: Array) -> Array:
        """Return the entries of a vector of the rows that belong to the first block."""

    def restrict_columns(self, string: Array) -> Array:
        """Return the entries of a vector of the columns that belong to the first block."""


class RightEnvironment(Protocol):
    """The sites on the right of a site or bond, with their part of the generator."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dimensions of the legs (ket, D, bra)."""


class Environment(Protocol):
    """The sites on the left of a site or bond, with their part of the generator.

    Or a sketch of it, with random vectors in place of the basis in bra.
    """

    def as_right_env(self) -> RightEnvironment:
        """Return it as seen from the mirrored chain."""

    def outside_basis(self, right_env: RightEnvironment, overlap: Array) -> RightEnvironment:
        """Return a sketch of the mirrored chain less its part in the basis of those sites.

        `overlap` (m, ket) are the random vectors in that basis.
        """

    def bond_generator(self, right_env: RightEnvironment) -> LinearMap:
        """Return the effective generator of a bond, for its matrices (left, right)."""


class SiteEnvironment(Protocol):
    """An environment with the core of the next site."""

    def layout(self, right_env: RightEnvironment, shape: tuple[int, ...]) -> Layout:
        """Return the layout of the arrays of that site."""

    def blocks_of(self, A: Array) -> list[Array]:
        """Return the blocks of a tensor (left, n, right) whose right states have a block each."""

    def effective_generator(self, right_env: RightEnvironment) -> LinearMap:
        """Return the effective generator of the site, for vectors of its layout."""

    def advance(self, blocks: Sequence[Array]) -> Environment:
        """Return the environment one site further, from the blocks of the tensor of that site."""

    def advance_sketch(self, G: Array, blocks: Sequence[Array]) -> Environment:
        """Return a sketch one site further: random vectors G (m, n) take the outgoing coordinates.

        G has one vector for every random vector in bra.
        """


class GeneratorCore(Protocol):
    """A core of the generator as seen from the left."""

    @property
    def mode(self) -> ModeCore | None:
        """The core of a mode as a sum of few terms, which may be held in few operators."""

    def absorb_into(self, env: Environment) -> SiteEnvironment:
        """Contract an environment with the core of the next site."""

    def pair_right_env(self, env: Environment, mirrored_core: GeneratorCore) -> RightEnvironment:
        """Return the right environment of a pair's first site, with this core of its second one.

        `env` is that of the mirrored chain beyond the second site, `mirrored_core` this core
        there, ungrouped.
        """


def narrowed(kind: type[Kind], x: object) -> Kind:
    """Return an object of which the kind is known: cores of a chain have environments of theirs."""
    if isinstance(x, kind):
        return x
    raise TypeError(f"{type(x).__name__} is no {kind.__name__}")
