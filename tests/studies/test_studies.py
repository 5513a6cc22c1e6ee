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
    "dicke_strong_dissipation", "dicke_temperature", "dicke_single_spin_decay", "dicke_three_modes",
    "validation/tdvp_against_symmetric", "convergence/tdvp", "convergence/tolerances",
    "validation/calibration", "validation/coverage_of_bars",
    "validation/engines", "mean_field/phase_diagram", "mean_field/dense_phase_diagram",
    "classical/capacity",
    "classical/cavity_transition", "slow_learning", "quantum_capacity",
)  # fmt: skip
# those whose smallest version takes more than two seconds
LONG = {
    "limit_cycle", "quantum_retrieval", "random_patterns", "extensive_load", "slow_learning",
    "dicke_strong_dissipation", "dicke_three_modes", "convergence/tdvp", "convergence/tolerances",
    "validation/calibration", "validation/engines", "mean_field/phase_diagram",
    "mean_field/dense_phase_diagram",
}  # fmt: skip
every_study = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in NAMES]
)
# where NaN says "never", "not computed" or "beyond N"
MAY_BE_NAN = {
    "P", "P_m", "rms_overlap", "binder", "drift", "crossing_temperature", "crossing_binder", "exponent",
    "prefactor", "coherence_time", "first_passage", "first_passage_mean_field", "first_passage_same_T", "rate_mean_field",
    # beyond the number of patterns, the values of a setting or the last time of a size
    "m", "bar", "mean_field", "exact", "share", "share_bar", "share_mean_field", "share_exact",
    "share_long", "tdvp", "error", "sources", "value", "seconds", "largest_bond",
    "generator_bond", "warned", "inside", "ratio",
    # infinite at zero temperature, or no such line
    "pitchfork", "hopf", "homoclinic", "fold", "lines",
    # curves that do not meet, no pattern kept
    "width",  # no error that can be seen
    "crossing", "crossing_error", "overlap_kept", "overlap_kept_error",
    # closures and fields of some sizes only, overlaps that never fall
    "m2", "m2_bar", "m_set", "limit", "limit_bar",
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


@every_study
def test_values_are_finite_and_labelled(name, computed):
    data = computed(name)
    assert {"question", "parameters", "tnhop"} <= set(data.attrs)
    for key, values in data.data_vars.items():
        if values.dtype.kind in "fiucb":  # no texts
            finite = np.isfinite(values)
            assert finite.any() if key in MAY_BE_NAN else finite.all(), key
        assert values.attrs["units"], key
        assert values.attrs["long_name"], key


@every_study
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_integration_and_lines_agree(computed):
    for name in ("mean_field/phase_diagram", "mean_field/dense_phase_diagram"):
        data = computed(name)
        assert data.attrs["different"] == 0
        assert 2 * data.attrs["decided"] > data.attrs["points"]


def test_dense_retrieval_ends_at_the_fold():
    # physics.md of the project, section 13: T_eff = T (1 + 8 Ω²)^(n-1), n = 3
    study = load("mean_field/dense_phase_diagram")
    (top, u), Omega = study.fold(3), 0.1
    assert u == pytest.approx(np.tanh(u**2 / top), abs=1e-12)
    for factor, n_points in ((1 - 1e-5, 3), (1 + 1e-5, 1)):  # paramagnet, saddle, retrieval
        model = study.network(3, factor * top / (1 + 8 * Omega**2) ** 2, Omega)
        guess = np.array([0.0, -4 * Omega, 1.0]) * u / (1 + 8 * Omega**2)
        start = th.product_state(model, bloch=guess)
        assert len(th.fixed_points(model, starts=[start], n_starts=0)) == n_points


@pytest.mark.slow
def test_dense_hopf_line_is_where_mean_field_loses_stability(computed):
    data = computed("mean_field/dense_phase_diagram")
    assert data.hopf_found.values == pytest.approx(data.hopf_exact.values, abs=1e-9)
    assert (data.lyapunov > 0).all()
    study = load("mean_field/dense_phase_diagram")
    assert study.hopf_field(2, 0.5) == pytest.approx(th.RetrievalChannel(0.5).hopf, abs=1e-12)
    # physics.md of the project, section 5
    assert study.cycle_field(study.Params(), 2, 0.2) == pytest.approx(0.5025117675, abs=1e-7)


def test_capacity_of_amit_gutfreund_and_sompolinsky(computed):
    # 0.137906: arXiv:2403.01907, level 1
    study = load("classical/capacity")
    jump, _ = study.replica_jump()
    assert jump == pytest.approx(0.137906, abs=1e-6)
    overlap = study.replica_overlap(jump - 1e-9)
    assert overlap == pytest.approx(0.967, abs=5e-4)
    # m = erf(m/√(2αr)), r = 1/(1 - C)², C = √(2/(παr)) exp(-y²): iterated instead of eliminated
    load_below, m, r = 0.12, 1.0, 1.0
    for _ in range(200):
        y = m / np.sqrt(2 * load_below * r)
        C = np.sqrt(2 / (np.pi * load_below * r)) * np.exp(-(y**2))
        m, r = study.erf(y), 1 / (1 - C) ** 2
    assert study.replica_overlap(load_below) == pytest.approx(m, abs=1e-9)
    data = computed("classical/capacity")
    low = data.isel(load=0, n_spins=-1)
    assert low.overlap_kept.item() == pytest.approx(low.replica_at.item(), abs=2e-3)


def test_balance_of_weakly_coupled_flips(computed):
    # m² = (8 K ω/ν - D)/(16 K²) against the rates of a spin among a million
    study = load("classical/cavity_transition")
    p = study.Params()
    for g, nu in ((0.9, 1.0), (1.3, 1.0), (1.2, 2.0)):
        K = g**2 / study.stiffness(p)
        table = study.Table.of(g * np.sqrt(3e-6), nu, p.damping, 1.1 * K, 1201)
        m = study.closed_form(g, nu, p).item()
        assert table.error() < 1e-6
        assert table.balance(K * m) == pytest.approx(m, abs=1e-4)
    found = computed("classical/cavity_transition").cumulant_g
    assert (found.isel(g=-1) > found.isel(g=0) + 0.3).all()


@pytest.mark.slow
def test_learning_keeps_the_dwelled_pattern_below_a_temperature(computed):
    study = load("slow_learning")
    u = np.linspace(0.5, 0.999, 200_001)
    assert study.threshold() == pytest.approx((u**3 / np.arctanh(u)).max(), abs=1e-9)
    data = computed("slow_learning")
    assert data.half.sel(kind="mean field") * data.epsilon == pytest.approx(np.log(2), abs=1e-3)
    assert (data.dwelled.sel(warm=0.3) > 0.95).all()
    assert (data.dwelled.sel(warm=0.6) < 0.15).all()
    cold, warm = data["map"].isel(Omega=-1).values[[0, -1]]
    assert cold > 0.3 > 0.01 > warm  # a cold cycle keeps its pattern, resting or not


def test_two_patterns_are_two_networks_of_half_the_size():
    study = load("quantum_capacity")
    xi = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, -1, -1, -1]])
    two, half = (study.run(some, 0.2, "exact", study.Params()) for some in (xi, xi[:1, :3]))
    assert two[0] == pytest.approx(half[0], abs=1e-5)
