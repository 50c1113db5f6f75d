r"""Gradient descent for group-sparse autoencoders: what one step does to the subspace of each group.

What stands for Theorems 1 and 2 of the group-sparse paper. The loss does not change when the atoms of a group are
turned within their subspace, so only the subspaces can converge; their principal angles follow an exact law. The room
has the printed theorems in `aedyn.group_descent_theorems`, and stands on the expected gradients of
`aedyn.group_population`, which has the notation too.
"""

import numpy as np
from scipy.linalg import hadamard

from aedyn._checks import check_matrix
from aedyn.group_geometry import blocks, orthonormalize_groups
from aedyn.group_population import own_gradient, tangential
from aedyn.population import support_probabilities

# The law of the principal angles --------------------------------------------------------------------------------------


def subspace_step(A, W, groups, tau, p, step, variance=1.0, *, rank_one=0.0):
    """Weights after a step against `own_gradient`, with each group made orthonormal.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights, both with orthonormal groups.
    groups : Groups
        Groups of one size.
    tau, p, variance : float
        Factor of the shrinkage, probability and variance of a group.
    step : float
        The paper's eta.
    rank_one : float
        Share of the rank-one part of the Jacobian: 0 for the approximate gradient, 1 for the exact one.

    Returns
    -------
    ndarray, shape (n, m)
    """
    return orthonormalize_groups(W - step * own_gradient(A, W, groups, tau, p, variance, rank_one=rank_one), groups)


def tangent_law(tangents, a, b):
    r"""Tangents of the principal angles after a `subspace_step`, exact; for b up to 1 the factor is at most 1/(1 + a).

    .. math:: \tan\theta^+ = \frac{1-b\cos^2\theta}{1-b\cos^2\theta+a}\tan\theta.

    In the principal vectors of the two subspaces the step is diagonal: the part of a column in the atom is
    :math:`\cos\theta(1-b\cos^2\theta+a)`, the part across :math:`\sin\theta(1-b\cos^2\theta)`. The angle shrinks from
    every start below 90 degrees if :math:`b < 1 + a/2`. For d = 1 and rho = 1 it is `descent.angle_law` with the bias
    :math:`-\lambda`.

    Parameters
    ----------
    tangents : array_like
        Tangents before the step.
    a, b : float or array_like
        Rates from `group_population.law_rates`.

    Returns
    -------
    ndarray
        Absolute values.
    """
    tangents = np.asarray(tangents, dtype=float)
    kept = 1 - b / (1 + tangents**2)
    return np.abs(kept / (kept + a)) * tangents


def threshold_law(tangents, codes, lam, u, *, rank_one=0.0):
    r"""The law with the true threshold, by which tau differs from sample to sample.

    Without interference, for orthonormal weights and codes whose distribution does not change when the sign of a
    principal coordinate does (uniform directions, say), the step stays diagonal, and angle k obeys

    .. math:: \tan\theta_k^+ = \frac{1-b_k}{1-b_k+a_k}\tan\theta_k, \quad
              a_k = u\,\mathbb E[(\tau(2-\tau)+\rho\mathbf 1_{\tau>0}(1-\tau)^2)x_k^2], \quad
              b_k = u\,\mathbb E[\tau^2x_k^2]\cos^2\theta_k,

    with :math:`\tau = (1-\lambda/\|z\|)_+`, :math:`z_k = \cos\theta_k x_k`. With rho = 1 and no sample below the
    threshold :math:`a_k = u\,\mathbb E[x_k^2]` whatever lambda is.

    Parameters
    ----------
    tangents : array_like, shape (d,)
        Tangents of the principal angles of one group.
    codes : array_like, shape (n_samples, d)
        Codes in principal coordinates, over which the expectations are means.
    lam : float
        Shrinkage.
    u : float
        Step size times the probability of the group.
    rank_one : float
        Share rho of the rank-one part of the Jacobian.

    Returns
    -------
    ndarray, shape (d,)
        Absolute values.
    """
    tangents = np.asarray(tangents, dtype=float)
    codes = check_matrix("codes", codes, None, len(tangents))
    square = 1 / (1 + tangents**2)
    norms = np.sqrt(codes**2 @ square)
    tau = np.maximum(norms - lam, 0) / np.where(norms > 0, norms, 1)
    gain = tau * (2 - tau) + rank_one * (tau > 0) * (1 - tau) ** 2
    a, second = u * (gain @ codes**2) / len(codes), u * (tau**2 @ codes**2) / len(codes)
    kept = 1 - second * square
    return np.abs(kept / (kept + a)) * tangents


# With interference ----------------------------------------------------------------------------------------------------


def tangent_bound(tangent, a, error):
    r"""Largest tangent after a step in which the gradient also has other terms.

    .. math:: \tan\Theta^+ \le \frac{\tan\Theta/(1+a) + e/\cos\Theta}{1 - e/\cos\Theta}

    for the largest angle :math:`\Theta` of a group, when :math:`b \le 1` and :math:`e < \cos\Theta`. Proof: on a unit
    vector v the own step W' has :math:`\|(I-P)W'v\| \le \tan\Theta/(1+a)\,\|PW'v\|` and
    :math:`\|PW'v\| \ge \cos\Theta`, as :math:`a \ge b`; the rest changes either by at most e.

    Parameters
    ----------
    tangent : float or ndarray
        Largest tangent before the step.
    a : float
        Rate from `group_population.law_rates`.
    error : float
        Step size times the spectral norm of what is added to `own_gradient`.

    Returns
    -------
    float or ndarray
        Infinite where the bound says nothing.
    """
    shift = error * np.sqrt(1 + np.square(tangent))
    return np.where(shift < 1, (tangent / (1 + a) + shift) / np.where(shift < 1, 1 - shift, 1), np.inf)[()]


def tangent_floor(a, error):
    r"""Tangent t below which repeated steps bring every angle that starts below the angle of tangent 1/t.

    It is the smaller fixed point of `tangent_bound`, about :math:`e(1+a)/a`; the larger one is its inverse. They exist
    for :math:`e \le a/[2\sqrt2(1+a)]`. The error has to stay below `error` all along.

    Parameters
    ----------
    a : float
        Rate from `group_population.law_rates`.
    error : float
        As for `tangent_bound`.

    Returns
    -------
    float
        From 0 to 1, or infinite when there is no fixed point.
    """
    if error == 0:
        return 0.0
    # with r = e (1 + a) / a the fixed points solve (w + 2) w r^2 = 1 for w = t + 1/t
    w = np.sqrt(1 + (a / (error * (1 + a))) ** 2) - 1
    return float(2 / (w + np.sqrt(w**2 - 4))) if w >= 2 else np.inf


def cross_bound(A, W, groups, n_active, tau, variance=1.0):
    r"""Upper bound on the spectral norm of each group's cross part in `expected_gradient`.

    With :math:`\alpha = \|A\|_2` and :math:`\omega = \|W\|_2` it is
    :math:`c\tau\{p_{gh}[(2-\tau)\alpha^2 + 2\tau\omega(\alpha+\omega)] + 2\tau p_{ghl}\alpha\omega(\alpha\omega+1)\}`,
    that is :math:`O(\|A\|_2^2\gamma^2/\Gamma^2 + \|A\|_2^4\gamma^3/\Gamma^3)`; (74) has
    :math:`O(\gamma^3/\Gamma^2(\mu_B+\delta))`. When all angles are at most :math:`\Theta`,
    :math:`\omega \le \alpha + \sqrt\Gamma\sin\Theta`.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with orthonormal groups.
    groups : Groups
    n_active : int
        Number of active groups.
    tau, variance : float
        As for `expected_gradient`.

    Returns
    -------
    float
    """
    A = check_matrix("A", A)
    alpha, omega = (np.linalg.norm(matrix, 2) for matrix in (A, check_matrix("W", W, *A.shape)))
    _, pair, triple, _ = support_probabilities(len(groups), n_active)
    pairs = (2 - tau) * alpha**2 + 2 * tau * omega * (alpha + omega)
    return float(variance * tau * (pair * pairs + 2 * tau * triple * alpha * omega * (alpha * omega + 1)))


def cross_term_norm(A, groups, g):
    r"""Spectral norm of :math:`\sum_{h\ne g}A_hA_h^\top A_g`, for which (73) has :math:`\gamma(\mu_B+\delta)`.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary.
    groups : Groups
    g : int
        Group.

    Returns
    -------
    float
        At most the squared spectral norm of A.
    """
    A = check_matrix("A", A)
    own = A[:, groups[g]]
    return float(np.linalg.norm(A @ (A.T @ own) - own @ (own.T @ own), 2))


def identity_hadamard(n):
    r"""Dictionary :math:`[I, H/\sqrt n]`, a tight frame: its `cross_term_norm` is 1 for orthonormal groups of any size.

    As :math:`AA^\top = 2I`, the sum is :math:`A_g` itself: it is long, but does not turn the subspace.

    Parameters
    ----------
    n : int
        Power of 2.

    Returns
    -------
    ndarray, shape (n, 2 n)
    """
    return np.hstack([np.eye(n), hadamard(n) / np.sqrt(n)])


def floor_factor(tau, d=np.inf, *, rank_one=0.0):
    r"""Factor of `subspace_floor`, for codes of constant norm and uniform direction.

    With :math:`\bar\tau = \tau + (1-\tau)/d`, the mean of the Jacobian, it is
    :math:`|(1-\rho)2(1-2\tau)\bar\tau + \rho(1-3\tau\bar\tau)|` over :math:`\tau(2-\tau)+\rho(1-\tau)^2`. It vanishes
    at tau = 1/2 for rho = 0 and where :math:`\tau\bar\tau = 1/3` for rho = 1, and is 2 without shrinkage.

    Parameters
    ----------
    tau : float or ndarray
        Factor of the shrinkage, positive.
    d : float
        Group size. For an infinite one interference does not change the norm of a group: tau is constant.
    rank_one : float
        Share rho of the rank-one part of the Jacobian.

    Returns
    -------
    float or ndarray
    """
    mean = tau + (1 - tau) / d
    turn = (1 - rank_one) * 2 * (1 - 2 * tau) * mean + rank_one * (1 - 3 * tau * mean)
    return np.abs(turn) / (tau * (2 - tau) + rank_one * (1 - tau) ** 2)


def subspace_floor(A, groups, n_active, factor):
    r"""Tangents of the angles at which descent ends, to first order in :math:`\gamma/\Gamma`.

    For groups made orthonormal after each step they are the singular values of :math:`(I-A_gA_g^\top)AA^\top A_g` times
    :math:`\frac{\gamma-1}{\Gamma-1}` and the factor. A tight frame, for which :math:`AA^\top` is a multiple of the
    identity, has none. Unlike `tangent_floor` this is no bound: the higher orders have been measured, not proved.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with orthonormal groups.
    groups : Groups
        Groups of one size.
    n_active : int
        Number of active groups.
    factor : float
        From `floor_factor`.

    Returns
    -------
    ndarray, shape (n_groups, d)
        Largest first.
    """
    A = check_matrix("A", A)
    p, pair, _, _ = support_probabilities(len(groups), n_active)
    turns = blocks(tangential(A @ (A.T @ A), A, groups), groups)
    return pair / p * factor * np.linalg.svd(turns, compute_uv=False)
