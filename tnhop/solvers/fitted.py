"""Constants fitted to measurements: predicted times and memory.

Times are seconds of one thread of a machine with two shared x86 cores, BLAS on one thread too;
`machine_speed` compares this machine with that one. ``python studies/benchmarks/estimate.py
fitted`` runs the cases behind the constants, without ``fitted`` those that were held out
(docs/accuracy.md, "Estimates").
"""

from __future__ import annotations

from dataclasses import dataclass


class Reference:
    """Times of the tasks of `machine_speed` where the constants were fitted, 2026-11-26."""

    DENSE = 1.65e-4  # a product of matrices
    SWEEP = 2.4e-4  # passes over arrays
    CALLS = 4.7e-4  # steps of the interpreter


class Taylor:
    """Evolutions by Taylor series: `Exact`, `Symmetric` and `ClassicalMaster`, 2026-11-26."""

    START_UP = 0.35  # seconds that the first run of a process spends on loading compiled loops
    LOADED = 1.5e7  # bytes of those loops
    # radius and centre of the spectrum that matter to the series, per unit of bounds: spins, modes
    OF_HAMILTONIAN, OF_JUMPS, CENTRE = (1.08, 0.39), (0.39, 0.2), (0.44, 0.22)
    HEIGHT = (2.0, 0.8)  # spread of the energies
    CACHED_SIZE, CACHED = 1e5, 0.7  # numbers that stay in a fast cache, and the time they save
    PER_APPLICATION, PER_NUMBER = 1e-4, 4.5e-9  # seconds beside the generator
    PER_STATE = 8e-10  # seconds per component of a state at an output time
    PER_RUN = 1.5e-8  # seconds to begin another stretch of consecutive numbers
    EIGENPAIRS = 60 * 150.0  # applications behind stationary states and spectra


class DenseMatrix:
    """The generator of `Exact`, 2026-11-26."""

    PER_OPERATION = 6e-10  # seconds per multiplication
    PER_TERM = 8e-3  # seconds to compile a site or a jump, observables included


class SymmetricBlocks:
    """The generator of `Symmetric`, 2026-11-26; bytes of LU factors 2026-11-24."""

    PER_OPERATION = 9e-10  # seconds per multiplication: stretches of consecutive numbers are short
    START, START_ENTRIES = 7e-5, 1.5e-8  # seconds to build a start, per N² and N⁴ of a class
    COMPILE, PER_ENTRY = 0.02, 3e-6  # seconds per kind of jump of a class, per entry of a matrix
    LU_VECTORS = 800.0  # vectors of shift-invert: factors of N = 64 and 96 take 6 kB per number


class Populations:
    """Master equations of populations, of classes or configurations, 2026-11-26."""

    PER_MOVE, PER_FUNCTIONAL = 2.5e-9, 1.5e-9  # seconds per population
    ASSEMBLY, PER_JUMP = 1e-7, 4e-3  # seconds to build the rate matrix, per move and per jump
    EIGENPAIR_MOVE, EIGENPAIR = 2e-9, 1e-5  # seconds of an application behind eigenpairs


class Samples:
    """`KineticMonteCarlo`, 2026-11-26."""

    LOADING, PER_SAMPLE = 1.1, 3e-5  # seconds
    PER_ATTEMPT = 4.5e-8  # seconds of an attempt to flip a spin
    PER_VALUE, PER_SPIN = 1e-4, 1e-8  # seconds of an observable at an output time
    # seconds of a purity: per sorting of the samples, comparison and number
    SORTING, COMPARISON, PACKED = 1.5e-4, 3e-8, 1e-9
    LOADED = 2.2e7  # bytes of the compiled loops


class Flow:
    """The flow of `MeanField`, 2026-11-26."""

    CALL, PER_SITE = 7e-5, 6e-7  # seconds of an evaluation of the flow
    FIELD_CALL, PER_PAIR = 1.2e-4, 1.6e-9  # seconds with field jumps, and per jump and spin
    PER_AVERAGED_PAIR = 1.9e-6  # seconds where amplitudes are averaged over the product state
    PER_STEP, STAGES = 5e-4, 15.0  # seconds of a step, and its evaluations, rejected ones included
    START_UP = 0.05  # seconds
    STEPS, SEGMENT = 4.0, 1.5  # steps per time in units of the rotation, and to find a step anew
    BYTES, FIELD_BYTES = 2.5e6, 5.5e6  # beside the numbers of jumps and spins
    PAIR_BYTES, AVERAGED_PAIR_BYTES = 13.0, 3000.0


# Chains. Steps and generators of TDVP fitted on 2026-11-30 to some 900 steps of 40 random problems
# like those of `drawn` in studies/benchmarks/estimate.py, with default settings; the rest on
# 2026-11-26 to its cases `FITTED`. Seconds are those of the machine of `Reference`; see
# `machine_speed`.


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
    steep : float
        Logarithm by which bonds are larger per unit of the steepness of rates.
    smoothing : float
        Power of the mean of the counted number and the largest bond of the sites.
    """

    typical: float = 30.0
    with_modes: float = 1.1
    large: float = 26.0
    power: float = 0.6
    saturation: float = 0.03
    secondary: float = 0.05
    extra_depth: float = 1.5
    steep: float = 0.5
    smoothing: float = 1.2


@dataclass(frozen=True)
class ChainRuns:
    """Cost of a run of a chain besides its steps.

    Attributes
    ----------
    begin, output, observed : float
        Seconds to load and compile, per output time at which a state is needed, and per step and
        site to evaluate observables and their rates of change.
    resting : float
        Steps in which time grows by a factor e, once a state hardly moves.
    loaded, loaded_for_modes : float
        Bytes of what is loaded; more for modes.
    """

    begin: float = 0.35
    output: float = 0.01
    observed: float = 2.5e-3
    resting: float = 4.5
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
    parity : float
        Share of the operations that remain where half of the numbers vanish by a parity.
    two_site : float
        A step of the two-site scheme, in units of the one-site scheme at the same bond.
    core, core_bond, core_cube : float
        Seconds of a site of a generator of bond D: constant, per D, per D³.
    larger : float
        Predicted bond of a generator that turns out twice as large.
    cores, environments, built_cores, built : float
        Memory of a run, in units of the numbers of cores and environments; of a generator while it
        is built, in units of its cores and of D².
    """

    step: float = 0.0
    site: float = 5.2e-3
    mode: float = 1.1e-3
    exponential: float = 9.6e-9
    mode_exponential: float = 1.6e-7
    decomposition: float = 2.6e-8
    parity: float = 0.5
    two_site: float = 6.0
    core: float = 1e-3
    core_bond: float = 8e-4
    core_cube: float = 2.4e-9
    larger: float = 900.0
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
