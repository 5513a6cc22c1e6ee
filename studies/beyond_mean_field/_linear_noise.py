"""The mean-field limit cycle and the diffusion of its phase by the noise of finite N."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp


def flow(v: np.ndarray, temperature: float, Omega: float) -> np.ndarray:
    """Right-hand side of the mean-field equations for (z, y), Eq. (18) of docs/physics.md."""
    z, y = v
    return np.array([2 * Omega * y + np.tanh(z / temperature) - z, -2 * Omega * z - y / 2])


def cycle(temperature: float, Omega: float, n: int = 2000) -> tuple[float, float]:
    """Return ω and κ of the mean-field limit cycle."""
    options: Any = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}

    def upward(_: float, v: np.ndarray) -> float:
        return v[0]

    upward.direction = 1.0  # type: ignore[attr-defined]
    run = solve_ivp(lambda _, v: flow(v, temperature, Omega), (0, 400), [0.5, 0.0],
                    events=upward, **options)  # fmt: skip
    period = float(np.diff(run.t_events[0])[-1])
    start = run.y_events[0][-1]

    def with_tangent(_: float, v: np.ndarray) -> np.ndarray:
        gain = (1 - np.tanh(v[0] / temperature) ** 2) / temperature
        jacobian = np.array([[gain - 1, 2 * Omega], [-2 * Omega, -0.5]])
        return np.append(flow(v[:2], temperature, Omega), jacobian @ v[2:].reshape(2, 2))

    times = np.linspace(0, period, n + 1)
    run = solve_ivp(with_tangent, (0, period), [*start, 1, 0, 0, 1], t_eval=times, **options)
    (z, y), tangent = run.y[:2, :-1], run.y[2:].T.reshape(-1, 2, 2)
    multipliers, left = np.linalg.eig(tangent[-1].T)
    Z0 = left[:, np.argmin(np.abs(multipliers - 1))].real
    Z0 = Z0 / (Z0 @ flow(start, temperature, Omega))
    Zz, Zy = np.linalg.solve(tangent[:-1].transpose(0, 2, 1), np.tile(Z0, (n, 1))[..., None]).T[0]
    t = np.tanh(z / temperature)
    omega = 2 * np.pi / period
    return omega, omega**2 / 2 * float(
        np.mean(2 * (1 - z * t) * Zz**2 - 2 * t * y * Zz * Zy + Zy**2)
    )
