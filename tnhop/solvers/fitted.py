"""Constants fitted to measurements: predicted times and memory."""

from __future__ import annotations

from dataclasses import dataclass

# Chains. Fitted on 2026-11-26 on two shared x86 cores, one BLAS thread, to the cases `FITTED` of
# studies/benchmarks/estimate.py, which measures them again (docs/accuracy.md). Seconds are those of
# that machine, see `machine_speed`.


@dataclass(frozen=True)
class ChainBonds:
    """Bonds of chains beyond Gaussian fluctuations, from 45 runs of TDVP.

    Attributes
    ----------
    typical : float
        Assumed bond where nothing is known: large chains, and starts that are no product states.
    with_modes : float
        Bonds beside modes, in units of those predicted.
    large, power : float
        Bond beyond which growth is slower, as this power of the predicted one.
    saturation : float
        Singular value at which fluctuations saturate.
    secondary : float
        Every singular value is accompanied by a non-Gaussian one, smaller by this factor.
    extra_depth : float
        Added to the logarithm of the norm over the cutoff, down to which products are counted.
    smoothing : float
        Power of the mean of the counted number and the largest bond of the sites.
    """

    typical: float = 30.0
    with_modes: float = 1.35
    large: float = 26.0
    power: float = 0.6
    saturation: float = 0.03
    secondary: float = 0.05
    extra_depth: float = 1.5
    smoothing: float = 1.2


@dataclass(frozen=True)
class ChainRuns:
    """Cost of a run of a chain besides its steps.

    Attributes
    ----------
    begin, output : float
        Seconds to load and compile, and per output time.
    loaded, loaded_for_modes : float
        Bytes of what is loaded; more for modes.
    """

    begin: float = 0.35
    output: float = 0.01
    loaded: float = 6e6
    loaded_for_modes: float = 1e7


@dataclass(frozen=True)
class TDVPCosts:
    """Cost of steps and generators of `TDVP`.

    Attributes
    ----------
    step, site, mode : float
        Seconds of calls per step, spin and mode.
    exponential, mode_exponential, decomposition : float
        Seconds per operation of local exponentials of spins and modes, and of singular value
        decompositions.
    two_site : float
        A step of the two-site scheme, in units of the one-site scheme at the same bond.
    core, core_bond, core_cube : float
        Seconds of a site of a generator of bond D: constant, per D, per D³.
    one_field, more_fields : float
        Bond of a generator: one_field + more_fields r^1.5 for r independent fields.
    cores, environments, built_cores, built : float
        Memory of a run, in units of the numbers of cores and environments; of a generator while it
        is built, in units of its cores and of D².
    """

    step: float = 4e-3
    site: float = 7.5e-3
    mode: float = 2e-3
    exponential: float = 5.5e-9
    mode_exponential: float = 1.8e-7
    decomposition: float = 3.6e-8
    two_site: float = 6.0
    core: float = 0.015
    core_bond: float = 1.5e-3
    core_cube: float = 1.2e-8
    one_field: float = 10
    more_fields: float = 20
    cores: float = 2.9
    environments: float = 1.4
    built_cores: float = 2.7
    built: float = 175.0


@dataclass(frozen=True)
class TEBDCosts:
    """Cost of gates and channels of `TEBD`.

    Attributes
    ----------
    channel_bond : int
        Typical bond of a channel.
    channel, visit, gate : float
        Seconds of calls: to build a channel on a site, to apply it there, a gate of two sites.
    product, gate_product : float
        Seconds per operation of channels and of gates.
    """

    channel_bond: int = 20
    channel: float = 0.03
    visit: float = 8.5e-4
    gate: float = 8e-4
    product: float = 2e-9
    gate_product: float = 2e-10


CHAIN_BONDS = ChainBonds()
CHAIN_RUNS = ChainRuns()
TDVP_COSTS = TDVPCosts()
TEBD_COSTS = TEBDCosts()
