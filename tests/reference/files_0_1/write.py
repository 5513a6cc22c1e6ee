"""Files as version 0.1.0 wrote them.

This script made them once. It must never be run again with a later version: files of an earlier
version cannot be made anew, and a reader that only reads what it has written itself proves nothing.
It refuses to run where its files are. The tests take the problems from here, so that they ask for
the very same ones.
"""

import contextlib
import dataclasses
import io
import json
import math
import shutil
import tomllib
from pathlib import Path

import numpy as np

import tnhop as th
from tnhop.cli import main

HERE = Path(__file__).parent
VALUES = HERE / "values.json"
PATTERNS = np.array([[1, 1, -1, 1], [1, -1, -1, -1]])
BLOCH = np.array([[0.48, 0.36, 0.8], [-0.36, 0.48, 0.64], [0.28, -0.6, -0.42], [0.1, 0.7, -0.3]])
TEMPLATES = ("dense", "dicke", "hopfield", "ising", "retrieval", "sweep")


# Problems. No number of theirs has a last digit that depends on the machine, except in `own`.


def network(Omega=3 / 7, n_patterns=2, n_spins=4, beta=1.25):
    return th.open_hopfield(PATTERNS[:n_patterns, :n_spins], beta=beta, Omega=Omega)


def own():
    """Callables, fitted once; two operators in one jump, and a complex amplitude."""
    weights = np.array([[0.0, 0.5, -0.25], [0.5, 0.0, 0.75], [-0.25, 0.75, 0.0]])
    turned = th.ScaledRate(0.6 - 0.7j, th.SqrtRate(th.GlauberRate(4 / 3, -1)))
    jumps = [
        th.FieldJump(k, {"-": turned, "+": lambda h: 0.5 + np.tanh(0.8 * h) / 3}, weights[k])
        for k in range(3)
    ]
    jumps.append(th.FieldJump(1, {"x": th.ConstantRate(0.3)}, weights[1], self_field=0.2))
    hamiltonian = 0.4 * th.sigma("x")(0) * th.sigma("y")(2) + 0.3 * th.sigma("z")(1)
    return th.Model(th.spins(3), hamiltonian, jumps, patterns=PATTERNS[:, :3])


def tilted(model, alpha=0.0):
    return th.product_state(model, bloch=BLOCH[: model.n_spins], alpha=alpha)


def retrieved(Omega, start):
    """Problem of the sweep with `TDVP`."""
    model = network(Omega, n_spins=3)
    return th.Problem(model, th.pattern_state(model, overlap=start), [0.5, 1.0], ["m_z"])


def from_start(start):
    """Problem of the sweep whose method is chosen automatically."""
    model = network(n_spins=3)
    return th.Problem(model, th.pattern_state(model, overlap=start), [0.5], ["m_z"])


def stationary(beta):
    """Problem of the sweep of stationary states."""
    return th.Problem(network(n_patterns=1, n_spins=3, beta=beta), None, [0.0], ["m_z", "purity"])


SWEEPS = {
    "evolve_tdvp.sweep": (
        retrieved,
        {"Omega": [0.2, 0.5], "start": {"near": 0.9}},
        {"method": th.TDVP(dt=0.25, cutoff=1e-5, mpo_tolerance=3e-4)},
    ),
    "evolve_auto.sweep": (from_start, {"start": {"near": 0.9, "far": 0.4}}, {"method": "auto"}),
    "steady_exact.sweep": (
        stationary,
        {"beta": [0.5, 1.5]},
        {"method": "Exact", "verb": "steady_state"},
    ),
}


def swept(folder):
    """Make or go on with a sweep in a folder, whose name says which it is."""
    make_problem, grid, options = SWEEPS[folder.name]
    return th.sweep(make_problem, grid, store=folder, executor=1, progress=False, **options)


def stopped_run(checkpoint, callback=None):
    """Evolve from a checkpoint, or begin to write one."""
    model = network(n_spins=3)
    return th.evolve(
        model, tilted(model), [0.5, 1.0, 1.5], observables=["m_z"], method=th.TDVP(dt=0.25),
        checkpoint=checkpoint, callback=callback, progress=False,
    )  # fmt: skip


def answers():
    """Yield name and answer of every single file."""

    def evolved(model, state, method, observables, rng=None):
        return th.evolve(model, state, [0.5, 1.0], method=method, observables=observables, rng=rng,
                         progress=False)  # fmt: skip

    modes = th.dicke(2, g=2 / 7, omega=8 / 7, Omega=4 / 9, loss=7 / 6, gain=1 / 99, fock_dim=4)
    dense = th.dense_hopfield(PATTERNS[:, :3], degree=3, beta=9 / 7)
    ising = th.hebbian_ising(PATTERNS[:, :3], Omega=5 / 9, longitudinal=2 / 7, decay=3 / 8,
                             dephasing=[1 / 7, 0, 2 / 11])  # fmt: skip
    one, still, small = network(n_patterns=1), network(Omega=0.0), network(n_spins=3)
    chain = th.TDVP(max_bond=16, cutoff=3e-6, dt=0.25, epsilon=0.4, sites=2, ordering=(2, 0, 1),
                    companion=False)  # fmt: skip
    yield "Exact", evolved(modes, tilted(modes, 0.125 - 0.0625j), th.Exact(tolerance=1e-8),
                           ["sigma_y", "alpha", "purity"])  # fmt: skip
    yield "Symmetric", evolved(one, th.pattern_state(one, overlap=0.8),
                               th.Symmetric(tolerance=1e-8, eigensolver="shift-invert"),
                               ["m_z", "entropy"])  # fmt: skip
    yield "ClassicalMaster", evolved(dense, tilted(dense), "ClassicalMaster",
                                     ["overlap_moments"])  # fmt: skip
    yield "KineticMonteCarlo", evolved(still, tilted(still), th.KineticMonteCarlo(n_samples=64),
                                       ["m_z"], rng=7)  # fmt: skip
    yield "TDVP", evolved(small, tilted(small), chain, ["m_z"])
    yield "TEBD", evolved(ising, tilted(ising), th.TEBD(order=4, dt=0.125), ["m_y"])
    yield "MeanField", evolved(own(), tilted(own()), th.MeanField(closure="product", rtol=1e-8),
                               ["sigma_y"])  # fmt: skip
    yield "SteadyState", th.steady_state(small, method=th.Exact(tolerance=1e-9),
                                         observables=["sigma_x", "purity"])  # fmt: skip


# Plain numbers of what was read or computed.


def plain(values):
    """Return lists of numbers; complex ones as pairs of lists, None for what is not known."""
    array = np.asarray(values)
    if array.dtype.kind == "c":
        return {"re": plain(array.real), "im": plain(array.imag)}
    if array.dtype.kind == "f":
        items = [None if math.isnan(x) else x for x in array.ravel().tolist()]
        return np.array(items, dtype=object).reshape(array.shape).tolist()
    return array.tolist()


def settings(method):
    """Return all options of a method."""
    return {"type": type(method).__name__, **dataclasses.asdict(method)}


def numbers(answer):
    """Return what a reader of a single file has to find."""
    found = {
        "model": answer.model.digest,
        "dims": {o.name: o.dims for o in answer.observables},
        "coords": {o.name: {dim: [*x] for dim, x in o.coords} for o in answer.observables},
        "expect": {name: plain(values) for name, values in answer.expect.items()},
        "errors": None,
        "stats": sorted(answer.stats),
    }
    if answer.errors is not None:
        found["errors"] = {
            name: {source: plain(x) for source, x in answer.errors.sources(name).items()}
            for name in answer.errors
        }
    if isinstance(answer, th.SteadyState):
        names = ("residual", "gap", "multiplicity", "converged", "label")
        return found | {name: getattr(answer, name) for name in names}
    return found | {"times": plain(answer.times)}


def table(data):
    """Return what a reader of the folder of a sweep has to find."""
    names = sorted(str(name) for name in data.data_vars if name != "wall_time")
    return {
        "dims": {name: [*data[name].dims] for name in names},
        "coords": {str(name): plain(axis.values) for name, axis in data.coords.items()},
        "values": {name: plain(data[name].values) for name in names},
        "attrs": dict(data.attrs),
    }


# defaults that are others now
OLD_DEFAULTS = {"TDVP": {"dt": 0.4, "cutoff": 1e-5, "mpo_tolerance": 3e-4}, "TEBD": {"dt": 0.1}}


def digests(config, folder):
    """Return the digests of all points of a config, for each of its methods; computes nothing.

    Where there is no [sweep], the seed is the axis. The 999th of 999 parts holds no point.
    """
    raw, found = tomllib.loads(config.read_text("utf-8")), []
    for k, chosen in enumerate(raw["methods"]):
        method = OLD_DEFAULTS.get(chosen["type"], {}) | chosen
        options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in method.items())
        changes = [f"methods=[{{{options}}}]"]
        if "sweep" not in raw:
            changes.append("sweep.grid={rng = [3]}")
        if "tilt" in raw["state"]:  # sines may have other last digits on other machines
            changes.append("state.tilt=0.0")
        store = folder / f"{config.stem}-{k}"
        words = ["sweep", str(config), "--part", "999/999", "--workers", "1", f"--store={store}"]
        status = main([*words, *(word for change in changes for word in ("--set", change))])
        assert status == 0, f"{config}, {method}: status {status}"
        found.append(th.load(store)["digest"].values.ravel().tolist())
        assert not [*store.glob("*.h5")]
    return found


# Writing.


def write():
    values = {"version": th.__version__, "answers": {}, "sweeps": {}, "configs": {}}
    for name, answer in answers():
        answer.save(HERE / f"{name}.h5")
        values["answers"][name] = {"method": settings(answer.method), **numbers(answer)}
    for name in SWEEPS:
        data = swept(HERE / name)
        for lock in (HERE / name).glob("*.lock"):
            lock.unlink()
        files = sorted(path.name for path in (HERE / name).iterdir())
        values["sweeps"][name] = {"files": files, **table(data)}
    for name in TEMPLATES:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            main(["new", name])
        (HERE / "configs" / f"{name}.toml").write_text(text.getvalue(), "utf-8")
    for config in sorted((HERE / "configs").glob("*.toml")):
        values["configs"][config.name] = digests(config, HERE / "nothing")
    shutil.rmtree(HERE / "nothing")
    values["checkpoint"] = checkpoint()
    VALUES.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def checkpoint():
    """Write the checkpoint of a run that was interrupted; return what the whole run finds."""

    def interrupt(snapshot):
        if snapshot.time >= 1.0:
            raise KeyboardInterrupt

    path = HERE / "TDVP.ckpt"
    part = stopped_run(path, interrupt)
    for name in ("previous", "lock"):
        path.with_name(f"{path.name}.{name}").unlink(missing_ok=True)
    whole = stopped_run(None)
    assert part.times.tolist() == [0.5, 1.0]
    assert np.array_equal(part.expect["m_z"], whole.expect["m_z"][:2])
    return {"resumed_at": part.stats["final_time"], "m_z": plain(whole.expect["m_z"]),
            "model": whole.model.digest}  # fmt: skip


if __name__ == "__main__":
    if th.__version__ != "0.1.0" or VALUES.exists():
        raise SystemExit("These files are those of version 0.1.0 and must never be written again.")
    write()
