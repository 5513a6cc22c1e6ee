"""The verdict on values: what cannot be right is said to be undetermined, everywhere."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr

import tnhop as th
from tnhop.answers.verdict import is_negative, is_negative_output, ranges_of
from tnhop.cli.program import main
from tnhop.physics.ranges import observable_range, operator_range
from tnhop.support.codec import register

SPINS = th.independent_spins(3, Omega=0.4, decay=0.5)
UP = th.product_state(SPINS, spins=[1, 1, 1])
DICKE = th.dicke(2, g=0.6, omega=1.0, Omega=0.5, loss=1.0, fock_dim=4)
TIMES = (0.0, 0.5, 1.0, 1.5)
STANDARD = {
    "hopfield": th.open_hopfield([[1, -1, 1], [1, 1, 1]], beta=1.5, Omega=0.4),
    "dicke": DICKE,
}


@register
@dataclass(frozen=True)
class Told:
    """A method that returns the values of σᶻ and the bars that it is told; finer, better ones."""

    controlled: ClassVar[bool] = True
    papers: ClassVar[tuple[str, ...]] = ()

    values: Any  # (time, site)
    bars: Any
    eigenvalues: Any = (0.0,) * len(TIMES)
    wrong_below: int = 0
    fineness: int = 0

    def supports(self, problem: Any, verb: str) -> str | None:
        return None

    def estimate(self, problem: Any, verb: str) -> th.Cost:
        return th.Cost(1.0, 1.0)

    def coarser(self) -> "Told":
        return self

    def refined(self, excess: Any, stats: Any) -> "Told":
        return replace(self, fineness=self.fineness + 1)

    def _output(self, k: int) -> tuple[Any, Any]:
        good = self.wrong_below and self.fineness >= self.wrong_below
        values = np.zeros(3) if good else np.array(self.values[k], dtype=float)
        return values, np.full(3, 1e-6) if good else np.array(self.bars[k], dtype=float)

    def evolve(self, problem: Any, carry: Any = None) -> Any:
        for k in range(0 if carry is None else carry, len(problem.times)):
            values, bars = self._output(k)
            yield th.Snapshot(
                problem.times[k], {"sigma_z": values}, {"sigma_z": {"time_step": bars}},
                {"smallest_eigenvalue": min(self.eigenvalues[: k + 1])}, carry=k + 1,
            )  # fmt: skip

    def steady_state(self, problem: Any) -> th.SteadyState:
        values, bars = self._output(0)
        return th.SteadyState(
            None, {"sigma_z": values}, 0.0, 1.0, 1, True, problem.model, self,
            problem.observables, {"smallest_eigenvalue": self.eigenvalues[0]},
            th.ErrorBudget({"sigma_z": {"time_step": bars}}), label="stationary to t = 400",
        )  # fmt: skip


def told(values: Any, bars: Any, **more: Any) -> Told:
    return Told(*(tuple(map(tuple, np.asarray(a, dtype=float).tolist())) for a in (values, bars)),
                **more)  # fmt: skip


def evolved(method: Told, **options: Any) -> th.Result:
    return th.evolve(SPINS, UP, TIMES, observables="sigma_z", method=method, **options)


def runaway() -> Told:
    """Return a method whose second site runs away: at t = 1 out of range, at t = 1.5 wide."""
    values, bars = np.full((4, 3), 0.25), np.full((4, 3), 1e-3)
    values[2, 1], values[3, 1], bars[3, 1] = 6.3, 1e56, 1e57
    return told(values, bars)


@pytest.fixture(scope="module")
def wrong() -> th.Result:
    with pytest.warns(th.TruncationWarning, match="undetermined"):
        return evolved(runaway())


EXPECTED = np.array([[True] * 3, [True] * 3, [True, False, True], [True, False, True]])


# Ranges.


def dense(operator: th.Operator, dims: Any) -> Any:
    """Return the matrix of an operator, built without the package's own products."""
    d = max(dims)
    a = np.diag(np.sqrt(np.arange(1, d)), 1)
    local = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]],
             "+": [[0, 1], [0, 0]], "-": [[0, 0], [1, 0]], "up": [[1, 0], [0, 0]],
             "down": [[0, 0], [0, 1]]}  # fmt: skip
    total = np.zeros((int(np.prod(dims)),) * 2, dtype=complex)
    for term in operator.terms:
        product = np.array([[term.coefficient]], dtype=complex)
        for site, dim in enumerate(dims):
            factor = np.eye(dim, dtype=complex)
            for word in dict(term.factors).get(site, "").split():
                matrix = {"a": a, "adag": a.T, "n": a.T @ a}.get(word, local.get(word))
                factor = factor @ np.asarray(matrix)[:dim, :dim]
            product = np.kron(product, factor)
        total += product
    return total


@pytest.mark.parametrize("seed", range(4))
def test_ranges_are_spectra(seed):
    rng = np.random.default_rng(seed)
    for n_factors in (1, 1, 2, 3):
        names = ["x", "y", "z", "+", "-", "up", "down"]
        terms = []
        for _ in range(rng.integers(1, 6)):
            sites = rng.choice(3, size=n_factors, replace=False).tolist()
            factors = {
                s: str(rng.choice(names if s < 2 else ["a", "n", "adag a a"])) for s in sites
            }
            terms.append(th.Term(complex(*rng.normal(size=2)), factors))
        A = th.Operator(tuple(terms))
        A = A + A.dag()
        low, high, scale = operator_range(A, DICKE)
        spectrum = np.linalg.eigvalsh(dense(A, (2, 2, 4)))
        np.testing.assert_allclose([low, high], spectrum[[0, -1]], atol=1e-12)
        assert scale >= max(abs(low), abs(high)) - 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_ranges_of_large_operators_contain_the_spectrum(seed):
    rng = np.random.default_rng(seed)
    model = th.independent_spins(7, decay=1.0)
    z, x = th.sigma("z"), th.sigma("x")
    J, h = rng.normal(size=(7, 7)), rng.normal(size=7)
    fields = th.Operator.sum(x(k) * h[k] for k in range(7))
    low, high, _ = operator_range(fields, model)
    np.testing.assert_allclose([low, high], [-abs(h).sum(), abs(h).sum()])
    A = fields + th.Operator.sum(z(i) * z(j) * J[i, j] for i in range(7) for j in range(i))
    low, high, _ = operator_range(A, model)
    spectrum = np.linalg.eigvalsh(dense(A, (2,) * 7).real)
    assert low <= spectrum[0] + 1e-9
    assert spectrum[-1] - 1e-9 <= high
    assert high - low < 3 * np.ptp(spectrum)


def test_ranges_of_standard_observables():
    limits = {"m_z": (-1, 1), "sigma_y": (-1, 1), "sigma_zz": (-1, 1), "occupation": (0, 3),
              "trace": (1, 1), "purity": (0, 1), "entropy": (0, np.log(16)), "g2": (0, np.inf),
              "photon_distribution": (0, 1), "overlap_distribution": (0, 1),
              "binder_cumulant": (-np.inf, 2 / 3), "edwards_anderson": (0, 1)}  # fmt: skip
    for name, (low, high) in limits.items():
        span = observable_range(DICKE.select(name)[0], DICKE)
        assert (span.low.min(), span.high.max()) == pytest.approx((low, high), abs=1e-12), name
    moments = observable_range(DICKE.select("overlap_moments")[0], DICKE)
    assert moments.low[0, :, 0].tolist() == [-1, 0, -1, 0]
    amplitude = observable_range(DICKE.select("alpha")[0], DICKE)
    largest = np.linalg.eigvalsh(np.diag(np.sqrt([1, 2, 3]), 1) + np.diag(np.sqrt([1, 2, 3]), -1))
    np.testing.assert_allclose(amplitude.high, largest[-1] / 2)


def test_modes_without_a_last_level_have_no_largest_occupation():
    start = th.product_state(DICKE, spins=[1, -1], alpha=[0.3])
    far = replace_alpha(start, 4.0)
    result = th.evolve(DICKE, far, [0.0], observables=["occupation", "alpha"], method="MeanField")
    assert result.expect["occupation"][0, 0] > 3
    assert result.determined["occupation"].all()
    assert result.determined["alpha"].all()


def replace_alpha(state: Any, alpha: float) -> Any:
    return replace(state, alpha=np.array([alpha], dtype=complex))


@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("method", ["Exact", "MeanField"])
@pytest.mark.filterwarnings("ignore:A mode reached")
def test_right_values_are_determined(name, method):
    model = STANDARD[name]
    rng = np.random.default_rng(len(name))
    bloch = rng.normal(size=(model.n_spins, 3))
    bloch /= np.linalg.norm(bloch, axis=1, keepdims=True) * [[1.0], [1.3], [2.0]][: model.n_spins]
    start = th.product_state(model, bloch=bloch)
    wanted = None if method == "MeanField" else [
        *["m_x", "m_y", "m_z", "sigma_z", "trace", "purity", "energy", "entropy", "renyi_entropy", "sigma_xx"],
        *["overlap_distribution", "overlap_moments", "binder_cumulant", "edwards_anderson"],
        *(["occupation", "alpha", "photon_distribution"] if model.n_modes else []),
    ]  # fmt: skip
    result = th.evolve(model, start, [0.0, 0.4, 3.0], observables=wanted, method=method)
    assert all(right.all() for right in result.determined.values())
    assert {n: r.shape for n, r in result.determined.items()} == {
        n: v.shape for n, v in result.expect.items()
    }
    assert not result.undetermined


# The rule.


@pytest.mark.parametrize("seed", range(6))
def test_value_out_of_range_by_more_than_its_bar(seed):
    rng = np.random.default_rng(seed)
    values, bars = rng.uniform(-1, 1, (4, 3)), 10.0 ** rng.uniform(-8, 0, (4, 3))
    bars[rng.random((4, 3)) < 0.2] = np.nan
    moved = rng.random((4, 3)) < 0.4
    multiple = rng.choice([0.5, 0.9, 1.1, 3.0, 1e6], (4, 3))
    side = rng.choice([-1.0, 1.0], (4, 3))
    beyond = np.where(np.isnan(bars), 1e-6, multiple * bars)
    values = np.where(moved, side * (1 + beyond), values)
    expected = ~moved | (~np.isnan(bars) & (multiple < 1))
    result = quietly(told(values, bars))
    np.testing.assert_array_equal(result.determined["sigma_z"], expected)
    assert bool(result.undetermined) == (not expected.all())


def quietly(method: Told) -> th.Result:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", th.TruncationWarning)
        return evolved(method)


@pytest.mark.parametrize(
    ("value", "bar", "right"),
    [(1 + 5e-10, 0.0, True), (1 + 2e-9, 0.0, False), (1 + 2e-9, np.nan, False),
     (0.0, 1.99, True), (0.0, 2.01, False), (0.0, np.inf, False), (0.0, np.nan, True),
     (np.nan, 0.1, False), (np.inf, np.inf, False), (-np.inf, np.nan, False)],
)  # fmt: skip
def test_limits_of_the_rule(value, bar, right):
    values, bars = np.zeros((4, 3)), np.full((4, 3), 1e-3)
    values[1, 2], bars[1, 2] = value, bar
    found = quietly(told(values, bars)).determined["sigma_z"]
    assert found[1, 2] == right
    assert found.sum() == 11 + right


@pytest.mark.parametrize("seed", range(6))
def test_negative_reduced_states(seed):
    """Eigenvalues below -1e-3 and below minus three times the bars of the entries, (1 ± σ)/2."""
    rng = np.random.default_rng(seed)
    bars = 10.0 ** rng.uniform(-5, -1, (4, 3))
    lowest = tuple((-(10.0 ** rng.uniform(-4, 0, 4))).tolist())
    so_far = np.minimum.accumulate(lowest)
    bad = (so_far < -1e-3) & (so_far < -3 * bars.max(axis=1) / 2)
    expected = ~np.logical_or.accumulate(bad)
    result = quietly(told(np.zeros((4, 3)), bars, eigenvalues=lowest))
    np.testing.assert_array_equal(
        result.determined["sigma_z"], expected[:, None] & np.ones(3, bool)
    )
    if bad.any():
        assert "a reduced state has the eigenvalue -" in result.undetermined


def test_bars_that_are_not_known_excuse_no_negative_state():
    ranges = ranges_of(SPINS.select("sigma_z"), SPINS, None)
    assert is_negative(-2e-3, {"sigma_z": np.full(3, np.nan)}, ranges)
    assert not is_negative(-2e-3, {"sigma_z": np.array([1e-9, 2e-3, np.nan])}, ranges)
    assert not is_negative(-9e-4, {"sigma_z": np.zeros(3)}, ranges)


def test_quotients_without_a_denominator_are_undetermined_but_not_wrong():
    dark = th.product_state(DICKE, spins=[1, -1])
    result = th.evolve(DICKE, dark, [0.0, 0.5], observables=["g2", "m_z"], method="Exact")
    assert result.determined["g2"].tolist() == [[False], [True]]
    assert not result.undetermined
    assert dict(result.rows())["g2 [mode 0]"].endswith("unknown")


def test_bars_of_functionals_are_none_of_the_entries_of_a_state():
    sizes = {"sigma_z": np.full(3, 1e-4), "purity": np.array(2.0)}
    output = th.Snapshot(
        0.0, {"sigma_z": np.zeros(3), "purity": np.array(1.0)},
        {name: {"time_step": bar} for name, bar in sizes.items()}, {"smallest_eigenvalue": -0.1},
    )  # fmt: skip
    problem = th.Problem(SPINS, UP, TIMES, ["sigma_z", "purity"])
    assert is_negative_output(output, problem, None)
    linear = th.Problem(SPINS, UP, TIMES, "sigma_z")
    wide = replace(output, errors={"sigma_z": {"time_step": np.full(3, 0.1)}})
    assert not is_negative_output(wide, linear, None)


# Where it is said.


def test_one_warning_says_how_many_where_why_and_what_to_use():
    with pytest.warns(th.TruncationWarning, match="undetermined") as caught:
        evolved(runaway())
    (warning,) = caught
    text = str(warning.message)
    assert text.startswith(
        "2 of 12 values of `sigma_z` are undetermined, from t = 1:"
        " `sigma_z` = 6.3 ± 0.001 is outside of the range [-1, 1]. Use `Exact`"
    )
    assert "`MeanField`" not in text
    assert warning.filename == __file__


def test_tables_frames_and_files(wrong, tmp_path):
    np.testing.assert_array_equal(wrong.determined["sigma_z"], EXPECTED)
    assert ["(undetermined)" in text for _, text in wrong.rows()] == [False, True, False]
    assert wrong.undetermined in repr(wrong)
    loaded = th.load(wrong.save(tmp_path / "x.h5"))
    np.testing.assert_array_equal(loaded.determined["sigma_z"], EXPECTED)
    assert loaded.undetermined == wrong.undetermined
    with xr.open_dataset(tmp_path / "x.h5", engine="h5netcdf") as data:
        np.testing.assert_array_equal(data["sigma_z_determined"], EXPECTED)
    frame = wrong.to_dataframe(tidy=True)
    np.testing.assert_array_equal(frame["determined"], EXPECTED.ravel())
    np.testing.assert_array_equal(wrong.to_dataframe()["sigma_z_determined[1]"], EXPECTED[:, 1])


def test_negative_states_survive_files_and_checkpoints(tmp_path):
    method = told(np.zeros((4, 3)), np.zeros((4, 3)), eigenvalues=(0.0, -0.2, 0.0, 0.0))
    with pytest.warns(th.TruncationWarning, match=r"9 of 12 values of `sigma_z`.* from t = 0.5: a"):
        first = evolved(method, checkpoint=tmp_path / "run.ckpt")
    with pytest.warns(th.TruncationWarning, match="9 of 12"):
        again = evolved(method, checkpoint=tmp_path / "run.ckpt")
    loaded = th.load(first.save(tmp_path / "x.h5"))
    for answer in (first, again, loaded):
        assert answer.determined["sigma_z"].all(axis=1).tolist() == [True, False, False, False]


def test_comparison_is_undetermined_on_either_side(wrong):
    right = quietly(told(np.full((4, 3), 0.25), np.full((4, 3), 1e-3)))
    for pair in ((wrong, right), (right, wrong), (wrong, wrong)):
        both = th.Comparison(pair)
        assert both.rows()[0][-1] == "undetermined"
        assert not both.determined
    assert th.Comparison((right, right)).determined
    short = replace(wrong, times=wrong.times[:2], expect={"sigma_z": wrong.expect["sigma_z"][:2]},
                    errors=th.ErrorBudget({"sigma_z": {"time_step": np.full((2, 3), 1e-3)}}))  # fmt: skip
    assert th.Comparison((short, wrong)).rows()[0][-1] == "agree"  # up to where both are


def test_commands_say_it(wrong, tmp_path, capsys):
    right = quietly(told(np.full((4, 3), 0.25), np.full((4, 3), 1e-3)))
    paths = [str(r.save(tmp_path / f"{n}.h5")) for n, r in (("a", wrong), ("b", right))]
    assert main(["compare", *paths]) == 1
    assert "undetermined" in capsys.readouterr().out.splitlines()[-1]
    assert main(["compare", paths[1], paths[1]]) in (0, None)
    assert main(["info", paths[0]]) in (0, None)
    assert wrong.undetermined in capsys.readouterr().out


def test_refinement_goes_on_until_values_are_determined():
    method = replace(told(np.full((4, 3), 3.0), np.full((4, 3), 1e-9)), wrong_below=3)
    problem = th.Problem(SPINS, UP, TIMES, "sigma_z")
    answer = th.converge(problem, {"sigma_z": 1e-3}, method=method)
    assert answer.converged
    assert [run.determined for run in answer.runs] == [False, False, False, True, True]
    hopeless = replace(method, wrong_below=99)
    with pytest.warns(th.TruncationWarning, match="values are undetermined"):
        answer = th.converge(problem, {"sigma_z": 1e-3}, method=hopeless, max_runs=3)
    assert not answer.converged
    assert "(undetermined)" in answer.table()


@pytest.mark.parametrize("bars", [np.inf, 1e300, np.nan])
def test_refinement_survives_bars_that_are_no_numbers(bars):
    method = replace(told(np.full((4, 3), np.nan), np.full((4, 3), bars)), wrong_below=1)
    problem = th.Problem(SPINS, UP, TIMES, "sigma_z")
    assert th.converge(problem, {"sigma_z": 1e-3}, method=method).converged


@pytest.mark.parametrize(
    "method",
    [told(np.full((4, 3), 1.4), np.full((4, 3), 0.1)),
     told(np.zeros((4, 3)), np.full((4, 3), 174.0)),
     told(np.zeros((4, 3)), np.full((4, 3), 1e-6), eigenvalues=(-0.1,) * 4)],
)  # fmt: skip
def test_undetermined_stationary_state_is_not_converged(method, tmp_path):
    with pytest.warns(th.TruncationWarning, match="3 of 3 values of `sigma_z` are undetermined:"):
        answer = th.steady_state(SPINS, observables="sigma_z", method=method)
    assert not answer.converged
    assert "stationary" not in answer.label
    assert "undetermined" in repr(answer)
    assert not answer.to_dataframe()["determined"].any()
    loaded = th.load(answer.save(tmp_path / "s.h5"))
    assert not loaded.converged
    assert not loaded.determined["sigma_z"].any()
    answer.plot()


def test_figures_draw_no_number_that_cannot_be_right(wrong):
    ax = wrong.plot(observables=["sigma_z"])
    drawn = np.concatenate([np.ravel(line.get_ydata()).astype(float) for line in ax.get_lines()])
    assert np.nanmax(np.abs(drawn)) < 1
    low, high = ax.get_ylim()
    assert high - low < 4
    assert "undetermined" in [text.get_text() for text in ax.get_legend().get_texts()]
    circles = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in circles] == [[1.0, 1.5]]
    right = quietly(told(np.full((4, 3), 0.25), np.full((4, 3), 1e-3))).plot(
        observables=["sigma_z"]
    )
    assert "undetermined" not in [text.get_text() for text in right.get_legend().get_texts()]


def test_sweeps_keep_average_and_draw_verdicts(wrong, tmp_path, capsys):
    def problem(Omega, rng):
        model = th.independent_spins(3, Omega=Omega, decay=0.5)
        return th.Problem(model, UP, TIMES, "sigma_z", rng=rng)

    def method(Omega):
        return runaway() if Omega > 0.5 else told(np.full((4, 3), 0.1), np.full((4, 3), 1e-3))

    grid = {"Omega": [0.1, 0.4, 0.7], "rng": [1, 2]}
    with pytest.warns(th.TruncationWarning, match="2 of 6 points gave a warning"):
        data = th.sweep(problem, grid, method=method, store=tmp_path, executor=1)
    verdict = data["sigma_z_determined"].transpose("Omega", "rng", "time", "site").values
    np.testing.assert_array_equal(verdict[2, 0], EXPECTED)
    assert verdict[:2].all()
    averaged = th.quenched_average(data, "rng")
    np.testing.assert_array_equal(averaged["sigma_z_determined"].values[2], EXPECTED)
    assert "sigma_z_determined_count" not in averaged
    from tnhop.cli.swept import table
    from tnhop.plots.sweep import draw_sweep

    assert table(data, ["Omega", "rng"]).count("(undetermined)") == 2
    for axes in (["Omega"], ["Omega", "rng"]):
        ax = draw_sweep(data.isel(site=[1]), axes, observable="sigma_z")
        assert "undetermined" in [text.get_text() for text in ax.get_legend().get_texts()]
        assert max(np.nanmax(np.abs(line.get_ydata())) for line in ax.get_lines()) < 10
    assert main(["info", str(tmp_path)]) in (0, None)
    assert "undetermined values: sigma_z 4" in capsys.readouterr().out
