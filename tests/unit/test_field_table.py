"""The field jumps of a model along a chain."""

import numpy as np
import pytest

import tnhop as th
from tnhop.solvers.chain.network.field_interpolation import nested_nodes
from tnhop.solvers.chain.network.field_table import field_table


def table_of(model):
    return field_table(model, np.arange(model.n_sites))


def test_axes_are_different_up_to_a_sign_and_make_fields_extreme():
    model = th.open_hopfield(th.random_patterns(3, 15, rng=3), beta=1.7, Omega=0.3)
    table = table_of(model)
    axes = np.array(table.axes)
    overlaps = axes.astype(int) @ axes.T
    assert (np.abs(overlaps) < 15)[~np.eye(len(axes), dtype=bool)].all()
    largest = np.abs(table.weights).sum(axis=1)
    assert (table.weights @ axes.T).max() == pytest.approx(largest.max())


def test_equal_spins_have_one_axis():
    assert len(table_of(th.open_hopfield(np.ones((1, 9)), beta=2.0)).axes) == 1


def test_restricted_jumps_read_the_same_fields():
    J = np.random.default_rng(5).normal(size=(6, 6)) * (1 - np.eye(6))
    table = table_of(th.open_hopfield(np.ones((1, 6)), couplings=J, beta=1.3))
    part = table.restricted([4, 1])
    for n in (1, 4):
        rows, own = (t.weights[np.concatenate(t.sites[n].rows)] for t in (table, part))
        np.testing.assert_array_equal(rows, own)
    assert len(part.weights) == 2


@pytest.mark.parametrize("beta", [0.5, 2.0, 8.0])
def test_grid_resolves_rates_between_its_points(beta):
    table = table_of(th.open_hopfield(np.ones((1, 12)), beta=beta))
    fine = table.resolving(1e-4)
    assert fine.unresolved() <= 6e-4
    assert fine.grid == (12 if beta < 4 else 18)


def test_grid_is_left_alone_where_no_grid_resolves_a_jump():
    table = table_of(th.open_hopfield(np.ones((1, 12)), beta=np.inf))
    assert table.resolving(1e-4) is table


def test_couplings_have_no_unit():
    xi, unit = th.random_patterns(2, 10, rng=8), 2.0**-60
    J = th.hebb(xi)
    plain, scaled = (
        nested_nodes(table_of(th.open_hopfield(xi, couplings=s * J, beta=1.5 / s)), 1e-4, 1e-2)
        for s in (1.0, unit)
    )
    assert [nodes.size for nodes in plain] == [nodes.size for nodes in scaled]
    for a, b in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(b.ket, unit * a.ket, rtol=1e-12)
