r"""Theorems 1 and 2 of the group-sparse paper, as printed and as they can be corrected, with their counterexamples.

Counterexamples are functions of plain numbers: given `fractions.Fraction` they are computed in exact arithmetic. What
holds instead of Theorem 2 is in `aedyn.group_descent`.
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_count, check_matrix, check_number
from aedyn.group_geometry import blocks, nearest_rotation, principal_tangents
from aedyn.group_population import expected_gradient, law_rates, own_gradient, tangential

# Theorem 1: the gradient correlates with the error --------------------------------------------------------------------


class Theorem1Sides(NamedTuple):
    r"""Both sides of (32) for each atom, without its O-term, and the vectors :math:`v_i` on its right.

    Attributes
    ----------
    left : ndarray, shape (m,)
        :math:`2\langle g_i, w_i - a_i\rangle`.
    printed, valid : ndarray, shape (m,)
        Right side with the printed bound (33) on :math:`\|v_i\|`, and with a valid one.
    v : ndarray, shape (m,)
        Norm of :math:`v_i = g_i - \kappa_i(w_i - a_i)`.
    v_printed, v_valid : ndarray, shape (m,)
        The two bounds on it.
    """

    left: np.ndarray
    printed: np.ndarray
    valid: np.ndarray
    v: np.ndarray
    v_printed: np.ndarray
    v_valid: np.ndarray


def theorem1_sides(A, W, groups, n_active, tau, variance=1.0):
    r"""Both sides of Theorem 1 (32), with delta the distance :math:`F = \|W_g-A_g\|_F` of the group.

    With :math:`\kappa_i=c\tau(2-\tau)p\alpha_i` the left side is
    :math:`\kappa_i\|w_i-a_i\|^2+(\|g_i\|^2-\|v_i\|^2)/\kappa_i` whatever the gradient is. The printed bound on
    :math:`\|v_i\|` is :math:`c\tau(2-\tau)p(\omega_i\sqrt{d^2+1}+\delta)F`; a valid one is
    :math:`c\tau p[(2-\tau)\omega_i\sqrt{d-1}F+2(1-\tau)+\tau F]+\|\tilde\beta_i\|`, and for F at most 1 it is never
    below :math:`\kappa_i\|w_i-a_i\|`: with it the theorem does not say that the gradient helps.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with orthonormal groups.
    groups : Groups
        Groups of one size.
    n_active : int
        Number of active groups.
    tau, variance : float
        As for `group_population.expected_gradient`.

    Returns
    -------
    Theorem1Sides
        For atoms with a positive overlap :math:`\alpha_i = \langle w_i, a_i\rangle`.
    """
    A = check_matrix("A", A)
    W = check_matrix("W", W, *A.shape)
    gradient = expected_gradient(A, W, groups, n_active, tau, variance)
    scale = variance * tau * n_active / len(groups)
    overlap, omega, far = _within_groups(A, W, groups)
    kappa = scale * (2 - tau) * overlap
    v = np.linalg.norm(gradient.total - kappa * (W - A), axis=0)
    d = groups.sizes[0]
    v_printed = scale * (2 - tau) * (omega * np.sqrt(d**2 + 1) + far) * far
    own = scale * ((2 - tau) * omega * np.sqrt(d - 1) * far + 2 * (1 - tau) + tau * far)
    v_valid = own + np.linalg.norm(gradient.cross, axis=0)
    rest = kappa * ((W - A) ** 2).sum(axis=0) + (gradient.total**2).sum(axis=0) / kappa
    left = 2 * (gradient.total * (W - A)).sum(axis=0)
    return Theorem1Sides(left, rest - v_printed**2 / kappa, rest - v_valid**2 / kappa, v, v_printed, v_valid)


def _within_groups(A, W, groups):
    """For each atom: overlap with its truth, largest with the others of the group, distance of the group."""
    atoms, weights = blocks(A, groups), blocks(W, groups)
    M = weights @ atoms.swapaxes(1, 2)
    overlap, omega, far = np.empty((3, W.shape[1]))
    overlap[groups.indices] = np.diagonal(M, axis1=1, axis2=2).ravel()
    omega[groups.indices] = np.abs(M * (1 - np.eye(M.shape[1]))).max(axis=2).ravel()
    far[groups.indices] = np.repeat(np.linalg.norm(weights - atoms, axis=(1, 2)), groups.sizes)
    return overlap, omega, far


def theorem1_at_truth(tau, p):
    r"""Both sides of (32) and (33) at the truth, where delta = 0 and the O-term vanishes for orthogonal groups.

    The gradient there is :math:`-2\tau(1-\tau)pA_g`, not zero.

    Parameters
    ----------
    tau, p : float or Fraction
        Factor of the shrinkage and probability of a group.

    Returns
    -------
    left, right : float or Fraction
        0 and :math:`4\tau(1-\tau)^2p/(2-\tau)`.
    """
    return 0 * tau, 4 * tau * (1 - tau) ** 2 * p / (2 - tau)


def theorem1_rotation(tau, p, t):
    r"""Both sides of (32) and (33) for groups of two turned by an angle theta, all groups being orthogonal.

    The gradient is :math:`-2\tau(1-\tau)pW_g` at every angle.

    Parameters
    ----------
    tau, p : float or Fraction
        Factor of the shrinkage and probability of a group.
    t : float or Fraction
        :math:`\tan(\theta/2)`, so that sine and cosine are rational with it.

    Returns
    -------
    left, right : float or Fraction
        The left side, and a lower bound on the right one by :math:`(x+y)^2\le2x^2+2y^2`: the theorem fails where left
        is below right.
    """
    cosine, sine = _rational_rotation(t)
    scale = tau * (2 - tau) * p
    square = 4 * (1 - cosine)  # F squared
    left = -2 * tau * (1 - tau) * p * square / 2
    v2 = scale**2 * 2 * (5 * sine**2 + square) * square
    right = scale * cosine * square / 2 + ((2 * tau * (1 - tau) * p) ** 2 - v2) / (scale * cosine)
    return left, right


def corrected_sides(A, W, groups, tau, p, variance=1.0, *, rank_one=0.0):
    r"""Both sides of a correct form of Theorem 1, for groups that do not interfere.

    For the tangential part T of `own_gradient` and the nearest rotation :math:`Q_g` of the group

    .. math:: 2\langle T_g, W_g-A_gQ_g\rangle = 2r\sum_k\cos\theta_k\sin^2\theta_k
              \ge r\cos\Theta(1+\cos\Theta)\|W_g-A_gQ_g\|_F^2

    with the principal angles :math:`\theta_k`, the largest of them :math:`\Theta`, and
    :math:`r = cp[\tau(2-\tau)+\rho(1-\tau)^2]`.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with orthonormal groups.
    groups : Groups
        Groups of one size.
    tau, p, variance, rank_one : float
        As for `group_population.own_gradient`.

    Returns
    -------
    left, right : ndarray, shape (n_groups,)
    """
    W = check_matrix("W", W)
    turns = tangential(own_gradient(A, W, groups, tau, p, variance, rank_one=rank_one), W, groups)
    errors = blocks(W - nearest_rotation(A, W, groups), groups)
    cosine = 1 / np.sqrt(1 + principal_tangents(W, A, groups)[:, 0] ** 2)
    rate, _ = law_rates(tau, p, 1.0, variance, rank_one=rank_one)
    left = 2 * (blocks(turns, groups) * errors).sum(axis=(1, 2))
    return left, rate * cosine * (1 + cosine) * (errors**2).sum(axis=(1, 2))


# The bounds in its proof ----------------------------------------------------------------------------------------------


def off_column_bounds(distance, d):
    r"""Bounds on the sum of the distances of d - 1 atoms whose group has a given distance: (64), and by Cauchy-Schwarz.

    Parameters
    ----------
    distance : float
        Frobenius distance F of the group.
    d : int
        Group size.

    Returns
    -------
    printed, sharp : float
        :math:`\sqrt{d^2+1}\,F` and :math:`\sqrt{d-1}\,F`.
    """
    return np.sqrt(d**2 + 1) * distance, np.sqrt(d - 1) * distance


def same_group_square(M, tau, size=None):
    r"""Squared Frobenius norm of :math:`\tau M - (2-\tau)I` as (66) expands it.

    Parameters
    ----------
    M : array_like, shape (d, d)
        Overlaps of one group's weights and atoms.
    tau : float
        Factor of the shrinkage.
    size : int, optional
        What stands for the squared norm of the identity: d when not given; the paper has n.

    Returns
    -------
    float
    """
    M = check_matrix("M", M)
    size = len(M) if size is None else size
    return float((2 - tau) ** 2 * size + tau**2 * (M**2).sum() - 2 * (2 - tau) * tau * np.trace(M))


# Theorem 2: its condition on the norm ---------------------------------------------------------------------------------


def norm_condition(tau, d, delta):
    r"""Largest :math:`\|M_g\|_F^2` that Theorem 2 allows: (69), which has n for d.

    Parameters
    ----------
    tau : float
        Factor of the shrinkage, positive.
    d : int
        Group size, or n for the condition as printed.
    delta : float
        Bound on the distance of a group.

    Returns
    -------
    float
        :math:`[3(2-\tau)(\tau-\tfrac23)d+(1-\tau)(2-\tau)\delta^2]/\tau^2`.
    """
    return ((2 - tau) * (3 * tau - 2) * d + (1 - tau) * (2 - tau) * delta**2) / tau**2


def smallest_overlap(d, delta):
    r"""Smallest :math:`\|M_g\|_F^2` for orthonormal groups within delta: :math:`(d-\delta^2/2)^2/d`.

    It is attained when all principal angles are equal and nothing is rotated.

    Parameters
    ----------
    d : int
        Group size.
    delta : float
        Bound on the distance of a group.

    Returns
    -------
    float
    """
    return (d - delta**2 / 2) ** 2 / d


def smallest_tau(d, delta):
    r"""Smallest tau for which some weights within delta meet the norm condition of Theorem 2 (with d).

    With :math:`t = 1-\tau` they do if :math:`(4d-\delta^2)^2t^2+2\delta^2(2d-\delta^2)t \le \delta^2(4d-\delta^2)`,
    which implies :math:`t < \delta/(2\sqrt d)`. But Lemma 1 asks for :math:`\lambda\ge\gamma B_{\max}(\mu_B+\delta)`,
    which is at least :math:`\|W_g^\top y\|\delta`, so for :math:`t \ge \delta`: both hold only for
    :math:`\lambda=\delta=\mu_B=0`.

    Parameters
    ----------
    d : int
        Group size.
    delta : float
        Bound on the distance of a group, from 0 to 1.

    Returns
    -------
    float
    """
    d = check_count("d", d)
    square = check_number("delta", delta, 0, 1) ** 2
    half, whole = square * (2 * d - square), 4 * d - square
    return float(1 - (np.sqrt(half**2 + square * whole**3) - half) / whole**2)


# Theorem 2: its rate --------------------------------------------------------------------------------------------------


def contraction_rho(step, tau, p, d, delta, omega, alpha):
    r"""The rate rho that Theorem 2 claims.

    Parameters
    ----------
    step, tau, p : float
        Step size, factor of the shrinkage and probability of a group.
    d : int
        Group size.
    delta : float
        Bound on the distance of a group.
    omega, alpha : float
        Largest overlap with another atom of the group, and smallest with the own atom.

    Returns
    -------
    float
        :math:`\eta\tau(2-\tau)p[\alpha - 2d(\omega\sqrt{d^2+1}+\delta)^2/\alpha]`; a step of the largest size has
        :math:`\eta\tau(2-\tau)p = 1/\alpha_{\max}`.
    """
    return step * tau * (2 - tau) * p * (alpha - 2 * d * (omega * np.sqrt(d**2 + 1) + delta) ** 2 / alpha)


def largest_delta(d):
    r"""Distance up to which rho is positive whatever the weights: for omega = delta and :math:`\alpha=1-\delta^2/2`.

    It is :math:`\sqrt{k^2+2}-k` with :math:`k = \sqrt{2d}(\sqrt{d^2+1}+1)`, and :math:`k=\sqrt2` for d = 1, where there
    are no other atoms in the group.

    Parameters
    ----------
    d : int
        Group size.

    Returns
    -------
    float
    """
    d = check_count("d", d)
    k = np.sqrt(2 * d) * (np.sqrt(d**2 + 1) * (d > 1) + 1)
    return float(np.sqrt(k**2 + 2) - k)


def step_from_truth(tau, d, rank_one=0):
    r"""Squared distance after one step of the largest size from the truth, all groups being orthogonal.

    Theorem 2 with its printed condition (met for tau above 2/3 and n large) claims 0. For the approximate gradient it
    is :math:`4d(1-\tau)^2/(2-\tau)^2`, and for the exact one :math:`d(1-\tau^2)^2/[\tau(2-\tau)]^2`.

    Parameters
    ----------
    tau : float or Fraction
        Factor of the shrinkage.
    d : int
        Group size.
    rank_one : float or Fraction
        Share of the rank-one part of the Jacobian.

    Returns
    -------
    float or Fraction
    """
    return d * ((1 - tau) * (2 * tau + rank_one * (1 - tau)) / (tau * (2 - tau))) ** 2


def step_from_rotation(tau, t):
    r"""Squared distance of a group of two after one step of the largest size from a rotation, and the claimed bound.

    All groups are orthogonal. The step only stretches the atoms. With tau = 1 the condition with d is an equality.

    Parameters
    ----------
    tau : float or Fraction
        Factor of the shrinkage.
    t : float or Fraction
        :math:`\tan(\theta/2)`.

    Returns
    -------
    after, claimed : float or Fraction
        The distance, and an upper bound on :math:`(1-\rho)F^2` by :math:`(x+y)^2\le2x^2+2y^2`: without its O-term,
        which vanishes for many groups, the theorem fails where after is above claimed.
    """
    cosine, sine = _rational_rotation(t)
    square = 4 * (1 - cosine)
    stretch = 1 + 2 * (1 - tau) / ((2 - tau) * cosine)
    after = 2 * (stretch**2 + 1 - 2 * stretch * cosine)
    return after, 8 * (5 * sine**2 + square) * square / cosine**2


def _rational_rotation(t):
    return (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
