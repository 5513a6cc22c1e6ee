"""The studies run in small, and their numbers agree with closed forms."""

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import tnhop as th

STUDIES = Path(__file__).parents[2] / "studies"
FOLDER = STUDIES / "beyond_mean_field"  # of studies without a folder in their name
NAMES = (
    "limit_cycle", "retrieval_transition", "memory_lifetime", "quantum_retrieval",
    "random_patterns", "extensive_load", "dicke_error_correction", "dicke_transition",
    "dicke_strong_dissipation", "dicke_temperature", "dicke_single_spin_decay",
    "validation/tdvp_against_symmetric", "convergence/tdvp", "validation/calibration",
    "validation/engines",
)  # fmt: skip
# where NaN says "never", "not computed" or "beyond N"
MAY_BE_NAN = {
    "P", "rms_overlap", "binder", "drift", "crossing_temperature", "crossing_binder", "exponent",
    "prefactor", "coherence_time", "first_passage", "first_passage_mean_field", "first_passage_same_T", "rate_mean_field",
    # beyond the number of patterns, the values of a setting or the last time of a size
    "m", "bar", "mean_field", "exact", "share", "share_bar", "share_mean_field", "share_exact",
    "share_long", "tdvp", "error", "sources", "value", "seconds", "largest_bond",
    "generator_bond", "warned", "inside", "ratio",
}  # fmt: skip

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="source distribution without studies")


@pytest.fixture(scope="module", autouse=True)
def _beside_each_other():
    """Let studies import what they share, as when they run as scripts."""
    before = sys.path.copy()
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path[:] = before


def path_of(name, suffix):
    return (STUDIES / name if "/" in name else FOLDER / name).with_suffix(suffix)


def load(name):
    module = name.replace("/", "_")
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, path_of(name, ".py"))
        sys.modules[module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    return sys.modules[module]


@pytest.fixture(scope="module")
def computed():
    known = {}

    def get(name):
        if name not in known:
            study = load(name)
            known[name] = study.compute(study.Params.tiny())
        return known[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_values_are_finite_and_labelled(name, computed):
    data = computed(name)
    assert {"question", "parameters", "tnhop"} <= set(data.attrs)
    for key, values in data.data_vars.items():
        finite = np.isfinite(values)
        assert finite.any() if key in MAY_BE_NAN else finite.all(), key
        assert values.attrs["units"], key
        assert values.attrs["long_name"], key


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_drawn_from_the_file(name, computed, tmp_path):
    computed(name).to_netcdf(tmp_path / "data.h5", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "data.h5", engine="h5netcdf") as stored:
        figure = load(name).plot(stored.load())
    assert isinstance(figure, Figure)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


@pytest.mark.parametrize("name", NAMES)
def test_results_in_the_repository_are_those_of_the_script(name):
    study = load(name)
    with xr.open_dataset(path_of(name, ".h5"), engine="h5netcdf") as stored:
        labelled = importlib.import_module("_study").labelled
        data = labelled(study.Params(), "", {}, {})
        assert stored.attrs["parameters"] == data.attrs["parameters"]


def test_phase_diffusion_of_the_cycle():
    # physics.md of the project, section 8: two independent integrations
    cycle = load("limit_cycle").cycle
    assert cycle(0.5, 0.6) == pytest.approx((2 * np.pi / 5.821505375809, 3.05023515), abs=1e-6)
    assert cycle(0.5, 0.5) == pytest.approx((2 * np.pi / 7.392221313583, 3.81247944), abs=1e-6)


def test_fitted_pair_agrees_with_the_spectrum(computed):
    data = computed("limit_cycle")
    for kind in ("decay", "omega"):
        fit = data[f"{kind}_fit"].sel(n_spins_fit=12).values
        spectrum = data[f"{kind}_spectrum"].sel(n_spins_spectrum=12).values
        assert np.all(np.abs(fit - spectrum) < 1e-8 + 3 * data.fit_error.sel(n_spins_fit=12))


def test_gibbs_distribution_is_the_steady_state_without_field():
    study = load("retrieval_transition")
    model = importlib.import_module("_study").network(8, 0.83, 0.0)
    names = ["overlap_distribution", "binder_cumulant"]
    steady = th.steady_state(model, observables=names, method="Symmetric")
    P = study.gibbs(8, 0.83)
    assert steady.expect["overlap_distribution"][0] == pytest.approx(P, abs=1e-10)
    assert steady.expect["binder_cumulant"][0] == pytest.approx(study.moments(P)[1], abs=1e-9)


def test_long_evolution_reaches_the_steady_state():
    study = load("retrieval_transition")
    tiny = study.Params.tiny()
    found = {limit: study.stationary(6, 0.7, 0.15, study.Params(
        largest_steady=limit, settling_time=tiny.settling_time)) for limit in (0, 6)}  # fmt: skip
    assert found[0][0] == pytest.approx(found[6][0], abs=1e-7)
    assert found[0][1] < 1e-6


def test_cat_decays_by_the_closed_form_without_field(computed):
    data = computed("memory_lifetime")
    exact = data.rate_without_field.values  # (temperature, n_spins_cat)
    assert data.fastest_rate.sel(Omega=0.0).values == pytest.approx(exact, rel=1e-8)


def test_classical_barrier():
    # free energy per spin -m²/2 - T s(m), at the two minima and at zero
    barrier = load("memory_lifetime").classical_barrier
    m, T = 0.9575040240772688, 0.5
    s = -sum(p * np.log(p) for p in ((1 + m) / 2, (1 - m) / 2))
    assert barrier(T) == pytest.approx(m**2 / (2 * T) + s - np.log(2), abs=1e-12)


def test_steady_states_of_small_dicke_models(computed):
    # physics.md of the project, section 9: g = 0.4, N = 1 and 2
    data = computed("dicke_transition").sel(g=0.4)
    assert data.occupation.values == pytest.approx([0.07963157313948, 0.04949546390136], abs=1e-6)
    assert data.rms_overlap.values**2 == pytest.approx([1, 0.5983654406259], abs=1e-6)
    assert data.m_x.values == pytest.approx([-0.7713021331177672, -0.854819630785542], abs=1e-6)
    assert data.attrs["critical_coupling"] == pytest.approx(0.5590169943749475, abs=1e-14)


def test_flip_rates_of_spins_in_lossy_modes():
    # physics.md of the project, section 10: aligned → opposite, opposite → aligned
    bath = load("dicke_strong_dissipation").Bath(np.array([[0.5, 0.4]]), 1.0, 1.2, 0.2)
    rates = [bath.flip_rate(np.array([1.0, s]), k) for s in (1, -1) for k in (0, 1)]
    exact = [0.7689865060365529, 0.7554473446561111, 2.465153283311013, 2.5055528771839715]
    assert rates == pytest.approx(exact, abs=1e-9)
    energies = [bath.energy_change(np.array([1.0, s]), 0) for s in (1, -1)]
    assert energies == pytest.approx([0.2, -0.2])


def test_identical_spins_flip_collectively(computed):
    # physics.md of the project, section 10: 11.38596011 beside 6.38027837 for independent flips
    data = computed("dicke_strong_dissipation")
    part = data.sigma_zz.sel(start="up up").transpose("kind", "time")
    assert np.abs(part[0] - part[2]).max() < 0.02
    assert np.abs(part[1] - part[2]).max() > 0.15
    study = load("dicke_strong_dissipation")
    bath = study.Bath(np.full((1, 2), 0.6), 1.0, 2.0)
    down, up = (bath.flip_rate(np.array([1.0, s]), 0) for s in (1, -1))
    assert 2 * down + 4 * up == pytest.approx(11.38596011, abs=1e-7)
    assert 2 * down + 2 * up == pytest.approx(6.38027837, abs=1e-7)


def test_noisy_modes_make_spins_thermal(computed):
    # physics.md of the project, section 10: 0.41276 predicted, 0.41682 and 0.41623 measured
    data = computed("dicke_temperature")
    assert data.beta_eff.values[0] == pytest.approx(2.0, abs=1e-12)
    noisy = data.sel(gain_shown=1.8)
    assert noisy.log_ratio.values == pytest.approx([0.41682, 0.41623], abs=1.5e-5)
    assert data.log_ratio.sel(gain_shown=0.0).values == pytest.approx([3.315, 2.033], abs=1e-3)
    assert data.beta_fit.values[-1] == pytest.approx(data.beta_eff.values[-1], rel=0.02)


def test_conserved_total_spin_bounds_the_correction(computed):
    bounds = load("dicke_single_spin_decay").bounds
    # one wrong spin of N: J = N/2 with weight 1/N, J = N/2 - 1 else
    assert bounds(8, 1) == pytest.approx((1 - 2 / 8 + 2 / 8**2, 1 / 8))
    assert bounds(8, 2)[1] == pytest.approx(1 / 28)
    data = computed("dicke_single_spin_decay")
    kept = data.sel(case="one pattern, N = 4").isel(case=0)
    overlap, whole = bounds(4, 1)
    assert kept.m.max() < overlap
    assert kept.whole.max() < whole
    assert kept.m_mean_field.max() < 0.5 + 1e-6


def test_mean_field_rate_of_retrieval():
    # physics.md of the project, section 13: 0.38086 → 0.43041 at the exceptional point
    rate = load("quantum_retrieval").relaxation_rate
    assert rate(0.8, 0.0) == pytest.approx(0.38086, abs=1e-5)
    assert rate(0.8, 0.0348) == pytest.approx(0.43041, abs=3e-3)
    assert rate(0.9, 0.0) == pytest.approx(0.19564, abs=1e-5)
