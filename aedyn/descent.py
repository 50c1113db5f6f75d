r"""Gradient descent near the truth: what one step does, and for which step sizes and biases it helps.

Theorem 4 of "On the Dynamics of Gradient Descent for Autoencoders" (Nguyen, Wong and Hegde 2019): the exact law of one
step for mixtures, the modes in which a small error evolves when several atoms are active, and where descent ends. The
room has its lemmas in `aedyn.descent_lemmas` and stands on the expected gradients of `aedyn.population`.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aedyn._checks import check_count, check_matrix, check_number, check_unit_columns
from aedyn.dictionaries import normalize
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse, SparseCoding
from aedyn.population import population_gradient, support_probabilities

LONGEST_PERIOD = 8
CYCLE = 1e-6  # a cycle comes back this close, in units of its last step

# Mixtures: the exact law of one step ----------------------------------------------------------------------------------


def angle_factor(angle, u, b=0.0):
    r"""Factor by which one normalised step multiplies the tangent of the angle between a unit and its atom.

    For mixtures, with :math:`u = \zeta p_i` and :math:`\alpha = 1 - u(\cos\theta + b)^2`, the step
    :math:`W_i - \zeta g_i = \alpha W_i + u\cos\theta\,A_i` makes it :math:`\alpha/(\alpha + u)`, exactly. A negative
    factor means that the unit jumps to the other side of its atom.

    Parameters
    ----------
    angle : float or ndarray
        Angle theta in radians.
    u : float or ndarray
        Step size times probability of the component.
    b : float or ndarray
        Bias.

    Returns
    -------
    float or ndarray
    """
    alpha = 1 - u * (np.cos(angle) + b) ** 2
    return alpha / (alpha + u)


def angle_law(angle, u, b=0.0):
    r"""Angle between a unit and its atom after one normalised step with the expected gradient of a mixture.

    It is :math:`\theta^+` with :math:`\tan\theta^+ = |\alpha/(\alpha+u)|\tan\theta`, see `angle_factor`; the distance
    of two unit vectors is :math:`2\sin(\theta/2)`.

    Parameters
    ----------
    angle, u, b
        As for `angle_factor`.

    Returns
    -------
    float or ndarray
        From 0 to pi.
    """
    alpha = 1 - u * (np.cos(angle) + b) ** 2
    return np.arctan2(np.abs(alpha) * np.sin(angle), (alpha + u) * np.cos(angle))


def angle_contracts(angle, u, b=0.0):
    r"""Whether one step brings the unit closer to its atom: :math:`u((\cos\theta + b)^2 - 1/2) < 1`.

    Parameters
    ----------
    angle, u, b
        As for `angle_factor`; the angle is below pi/2.

    Returns
    -------
    bool or ndarray of bool
    """
    return u * ((np.cos(angle) + b) ** 2 - 0.5) < 1


def distance_to_angle(distance):
    """Angle of two unit vectors at the given distance.

    Parameters
    ----------
    distance : float or ndarray
        From 0 to 2.

    Returns
    -------
    float or ndarray
    """
    return 2 * np.arcsin(np.asarray(distance) / 2)


# Descent --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PopulationDescent:
    """Outcome of `population_descent`.

    Attributes
    ----------
    weights : ndarray, shape (n, m)
        Weights at the end; the last finite ones when the run diverged.
    errors : ndarray, shape (n_iter + 1,)
        Squared Frobenius distance from the dictionary, at the start and after each step.
    status : str
        ``"converged"`` when a step moved the weights by no more than the tolerance, ``"diverged"`` when a step was
        not finite, ``"cycling"`` when the last weights are those of some steps before (a period of 2 to 8), or
        ``"not converged"``.
    n_iter : int
        Steps made.
    """

    weights: np.ndarray
    errors: np.ndarray
    status: str
    n_iter: int

    @property
    def converged(self):
        """Whether the status is ``"converged"``."""
        return self.status == "converged"


def population_descent(model, W, bias, step_size, n_steps, *, tolerance=1e-12, gradient=population_gradient):
    r"""Descent by the expected gradient, with columns scaled to norm 1 after each step (Theorem 4).

    Parameters
    ----------
    model : MixtureOfGaussians, SparseCoding or NonnegativeSparse
    W : array_like, shape (n, m)
        Start; its columns are normalised first.
    bias : callable
        Schedule: the bias at a step, for instance `optimizers.constant_bias`.
    step_size : float
        The paper's zeta.
    n_steps : int
        Steps at most.
    tolerance : float
        Frobenius norm of a change of the weights at which the run stops.
    gradient : callable
        Gradient for a model, weights and bias.

    Returns
    -------
    PopulationDescent
    """
    step_size, tolerance = check_number("step_size", step_size, 0), check_number("tolerance", tolerance, 0)
    W = normalize(check_matrix("W", W, model.n, model.m))
    errors, recent, status = [_square(W - model.A)], deque([W], LONGEST_PERIOD + 1), "not converged"
    for step in range(check_count("n_steps", n_steps)):
        after = W - step_size * gradient(model, W, bias(step))
        if not np.isfinite(_square(after)):
            status = "diverged"
            break
        after = normalize(after)
        change, W = np.sqrt(_square(after - W)), after
        errors.append(_square(W - model.A))
        recent.append(W)
        if change <= tolerance:
            status = "converged"
            break
    if status == "not converged" and _cycles(list(recent)):
        status = "cycling"
    return PopulationDescent(W, np.array(errors), status, len(errors) - 1)


def _square(matrix):
    return float(np.vdot(matrix, matrix))


def _cycles(recent):
    """Whether the last weights are also those of two or more steps before."""
    last, step = recent[-1], np.linalg.norm(recent[-1] - recent[-2])
    return any(np.linalg.norm(last - before) <= CYCLE * step for before in recent[:-2])


# Stability: the modes of a small error --------------------------------------------------------------------------------


class Modes(NamedTuple):
    r"""Curvatures of the modes in which a small error evolves at an orthonormal dictionary without bias.

    In a step of size zeta a mode of curvature c is multiplied by :math:`1 - \zeta c`. The error of column j is a
    vector :math:`u_j`, and :math:`X_{lj} = \langle A_l, u_j\rangle`.

    Attributes
    ----------
    common : float
        Orthogonal to all atoms, and the same for all columns.
    balanced : float
        Orthogonal to all atoms, with sum zero.
    spread : float
        All columns turn towards the sum of the atoms, all X equal: the largest curvature.
    symmetric : float
        X symmetric, with rows that sum to zero.
    rotation : float
        X antisymmetric, with rows that sum to zero: the smallest curvature.
    mixed_high, mixed_low : float
        :math:`X_{lj} = xv_l + yv_j` with v of sum zero.
    """

    common: float
    balanced: float
    spread: float
    symmetric: float
    rotation: float
    mixed_high: float
    mixed_low: float


def mode_curvatures(m, k, kappa1, kappa2):
    """Curvatures of all modes for uniform supports, exact.

    Parameters
    ----------
    m : int
        Number of atoms.
    k : int
        Size of the support.
    kappa1, kappa2 : float
        Moments of the nonzero entries; 0 and 1 for zero-mean codes.

    Returns
    -------
    Modes
        For n > m; with n = m the first two do not occur.
    """
    p1, p2, p3, _ = support_probabilities(m, k)
    square = kappa1**2
    balanced = kappa2 * p1 - square * p2
    turn = kappa2 * p2 - square * p3
    mixed = np.array(
        [
            [balanced + turn + square * ((m - 1) * p2 - p3), 2 * turn + square * ((m - 1) * p3 - p2)],
            [2 * turn + square * (m - 2) * p3, balanced + turn + square * (m - 2) * p3],
        ]
    )
    low, high = np.sort(np.linalg.eigvals(mixed).real)
    return Modes(
        common=balanced + square * m * p2,
        balanced=balanced,
        spread=balanced + 3 * turn + square * (m - 1) * (p2 + 3 * p3),
        symmetric=balanced + 3 * turn,
        rotation=balanced - turn,
        mixed_high=float(high),
        mixed_low=float(low),
    )


def stable_step(model):
    r"""Step size below which an orthonormal dictionary attracts, without bias.

    For mixtures it is :math:`2/\max_i p_i`. For uniform supports it is 2 over the curvature of the `spread` mode, about
    :math:`2/[p(\kappa_2+\kappa_1^2(k-1))]` for m much larger than k, with p = k/m.

    Parameters
    ----------
    model : MixtureOfGaussians, SparseCoding or NonnegativeSparse

    Returns
    -------
    float
    """
    if isinstance(model, MixtureOfGaussians):
        return float(2 / model.probabilities.max())
    if isinstance(model, SparseCoding | NonnegativeSparse):
        return 2 / mode_curvatures(model.m, model.k, model.kappa1, model.kappa2).spread
    raise TypeError(f"model must be a mixture of Gaussians or have uniform supports; got {type(model).__name__}")


# Where descent ends: the fixed point beside A -------------------------------------------------------------------------


def bias_tilt(m, k, kappa1, kappa2, b):
    r"""Tilt t of the fixed point :math:`W_i \propto A_i + t\sum_{j\ne i}A_j` of a fixed bias, to first order in t.

    For orthonormal A; the squared error is then about :math:`m(m-1)t^2`, which for large m tends to
    :math:`\bigl[(k-1)b(2\kappa_1+b)/(\kappa_2+(k-1)(\kappa_1+b)^2)\bigr]^2`. It vanishes for k = 1.

    Parameters
    ----------
    m : int
        Number of atoms.
    k : int
        Size of the support.
    kappa1, kappa2 : float
        Moments of the nonzero entries.
    b : float or ndarray
        Bias.

    Returns
    -------
    float or ndarray
    """
    p1, p2, p3, _ = support_probabilities(m, k)
    curvature = (
        kappa2 * p1
        + p2 * (3 * kappa2 + 4 * kappa1 * b)
        + (m - 2) * (p3 * (3 * kappa1**2 + 4 * kappa1 * b) + p2 * (kappa1 + b) ** 2)
    )
    return -p2 * b * (2 * kappa1 + b) / curvature


def coherence_floor(A, k, kappa1=0.0, kappa2=1.0):
    r"""Squared error of the fixed point without bias and noise, to first order in the coherence.

    To that order the fixed point is :math:`W_i \propto A_i - 2\rho\sum_{j\ne i}\langle A_i,A_j\rangle A_j` with rho the
    quotient of :math:`\kappa_2p_{ij}-\kappa_1^2p_{ijl}` and the curvature of the `symmetric` mode. As rho is about
    (k-1)/m for all moments, the squared error is about :math:`4(k-1)^2/n` for random atoms, whatever m is.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with unit columns.
    k : int
        Size of the support.
    kappa1, kappa2 : float
        Moments of the nonzero entries; 0 and 1 for zero-mean codes.

    Returns
    -------
    float
    """
    A = check_unit_columns("A", A)
    modes = mode_curvatures(A.shape[1], k, kappa1, kappa2)
    others = A.T @ A
    np.fill_diagonal(others, 0)
    tangents = A @ others - (others**2).sum(axis=0) * A
    return float((tangents**2).sum() * (2 * (modes.balanced - modes.rotation) / modes.symmetric) ** 2)
