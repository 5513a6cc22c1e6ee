"""tnhop: finite-size physics of open quantum Hopfield networks."""

from typing import TYPE_CHECKING

from tnhop.support.lazy import lazy_names

if TYPE_CHECKING:  # where the public names are, which are imported when they are first used
    from tnhop.answers.analysis import emission_spectrum, quenched_average
    from tnhop.answers.citations import cite
    from tnhop.answers.comparison import Comparison
    from tnhop.answers.correlation import Correlation
    from tnhop.answers.error_budget import ErrorBudget
    from tnhop.answers.loading import load
    from tnhop.answers.result import Result
    from tnhop.answers.spectrum import Spectrum
    from tnhop.answers.steady_state import SteadyState
    from tnhop.interop import to_qutip
    from tnhop.models import (
        ALL_MODELS,
        bloch_solution,
        classical_dicke,
        damped_mode,
        damped_mode_solution,
        dense_hopfield,
        dephased_ising_solution,
        dicke,
        eliminated_dicke,
        hebbian_ising,
        independent_spins,
        long_range_ising,
        multimode_dicke,
        open_hopfield,
    )
    from tnhop.patterns.couplings import (
        energy,
        hebb,
        local_fields,
        pattern_couplings,
        power_law,
        pseudo_inverse,
    )
    from tnhop.patterns.ensembles import (
        biased_patterns,
        correlated_patterns,
        corrupt,
        orthogonal_patterns,
        overlaps,
        pattern_classes,
        patterns_from_images,
        random_patterns,
    )
    from tnhop.patterns.retrieval import Basin, Retrieval, basin, retrieve
    from tnhop.phases.channel import ChannelCycle, RetrievalChannel
    from tnhop.phases.cycles import LimitCycle, limit_cycle
    from tnhop.phases.stability import (
        CriticalPoint,
        FixedPoint,
        critical_point,
        fixed_points,
        lyapunov_coefficient,
    )
    from tnhop.physics.jumps import FieldJump, Jump
    from tnhop.physics.model import Model, Site, modes, spins
    from tnhop.physics.observables import Functional, Observable
    from tnhop.physics.problem import Cost, Problem, Snapshot
    from tnhop.physics.rate_base import ChebyshevRate, Rate
    from tnhop.physics.rates import (
        ConstantRate,
        DenseGlauberRate,
        GlauberRate,
        ScaledRate,
        SpinBosonRate,
        SqrtRate,
    )
    from tnhop.physics.states import ProductState, pattern_state, product_state
    from tnhop.physics.terms import Operator, Term, create, destroy, identity, number, sigma
    from tnhop.physics.time_base import TimeFunction
    from tnhop.physics.time_functions import fitted, piecewise, pulse, ramp, sine
    from tnhop.solvers.chain.network.mpo import LindbladMPO, lindblad_mpo, predicted_bond
    from tnhop.solvers.chain.network.mps import MPSState
    from tnhop.solvers.chain.tdvp import TDVP
    from tnhop.solvers.chain.tebd import TEBD
    from tnhop.solvers.classical.configurations import (
        ConfigurationDistribution,
        ConfigurationSamples,
    )
    from tnhop.solvers.classical.master_equation import ClassicalMaster
    from tnhop.solvers.classical.monte_carlo import KineticMonteCarlo
    from tnhop.solvers.exact.dense_state import DenseState
    from tnhop.solvers.exact.exact import Exact
    from tnhop.solvers.meanfield.meanfield import MeanField
    from tnhop.solvers.registry import ALL_METHODS
    from tnhop.solvers.symmetric.populations import PopulationState
    from tnhop.solvers.symmetric.state import SymmetricState
    from tnhop.solvers.symmetric.symmetric import Symmetric
    from tnhop.support.errors import ConvergenceError, TruncationWarning
    from tnhop.support.threads import set_threads
    from tnhop.support.version import __version__ as __version__
    from tnhop.sweeps.convergence import Convergence, converge
    from tnhop.sweeps.sweep import sweep
    from tnhop.verbs import (
        compare,
        correlation,
        estimate,
        evolve,
        liouvillian_spectrum,
        steady_state,
    )
    from tnhop.verification import Check, Verification, verify
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ALL_METHODS",
    "ALL_MODELS",
    "TDVP",
    "TEBD",
    "Basin",
    "ChannelCycle",
    "ChebyshevRate",
    "Check",
    "ClassicalMaster",
    "Comparison",
    "ConfigurationDistribution",
    "ConfigurationSamples",
    "ConstantRate",
    "Convergence",
    "ConvergenceError",
    "Correlation",
    "Cost",
    "CriticalPoint",
    "DenseGlauberRate",
    "DenseState",
    "ErrorBudget",
    "Exact",
    "FieldJump",
    "FixedPoint",
    "Functional",
    "GlauberRate",
    "Jump",
    "KineticMonteCarlo",
    "LimitCycle",
    "LindbladMPO",
    "MPSState",
    "MeanField",
    "Model",
    "Observable",
    "Operator",
    "PopulationState",
    "Problem",
    "ProductState",
    "Rate",
    "Result",
    "Retrieval",
    "RetrievalChannel",
    "ScaledRate",
    "Site",
    "Snapshot",
    "Spectrum",
    "SpinBosonRate",
    "SqrtRate",
    "SteadyState",
    "Symmetric",
    "SymmetricState",
    "Term",
    "TimeFunction",
    "TruncationWarning",
    "Verification",
    "basin",
    "biased_patterns",
    "bloch_solution",
    "cite",
    "classical_dicke",
    "compare",
    "converge",
    "correlated_patterns",
    "correlation",
    "corrupt",
    "create",
    "critical_point",
    "damped_mode",
    "damped_mode_solution",
    "dense_hopfield",
    "dephased_ising_solution",
    "destroy",
    "dicke",
    "eliminated_dicke",
    "emission_spectrum",
    "energy",
    "estimate",
    "evolve",
    "fitted",
    "fixed_points",
    "hebb",
    "hebbian_ising",
    "identity",
    "independent_spins",
    "limit_cycle",
    "lindblad_mpo",
    "liouvillian_spectrum",
    "load",
    "local_fields",
    "long_range_ising",
    "lyapunov_coefficient",
    "modes",
    "multimode_dicke",
    "number",
    "open_hopfield",
    "orthogonal_patterns",
    "overlaps",
    "pattern_classes",
    "pattern_couplings",
    "pattern_state",
    "patterns_from_images",
    "piecewise",
    "power_law",
    "predicted_bond",
    "product_state",
    "pseudo_inverse",
    "pulse",
    "quenched_average",
    "ramp",
    "random_patterns",
    "retrieve",
    "set_threads",
    "sigma",
    "sine",
    "spins",
    "steady_state",
    "sweep",
    "to_qutip",
    "verify",
]
