r"""Expected gradients of group-sparse autoencoders over infinitely many samples.

Everywhere :math:`M_g = W_g^\top A_g`, p is the probability that a group is active, c the variance of its code
(:math:`\mathbb E[x_gx_g^\top] = cI`, so c is its mean squared norm over d), and the shrinkage multiplies an active
group by :math:`\tau = 1-\lambda/\|W_g^\top y\|`. The groups of the true support are active, as in the analysis of the
group-sparse paper.
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_matrix, check_number
from aedyn.group_geometry import blocks, columns
from aedyn.population import support_probabilities

# Expected gradients ---------------------------------------------------------------------------------------------------


class ExpectedGradient(NamedTuple):
    r"""Expectation of the approximate gradient, in three parts.

    Attributes
    ----------
    main : ndarray, shape (n, m)
        :math:`c\tau(2-\tau)p\,(W_g - A_g)A_g^\top W_g`, the leading term of (31).
    same_group : ndarray, shape (n, m)
        What the group itself adds; :math:`c\tau p\,W_g[\tau M_g - (2-\tau)I]M_g^\top` as in (56) when its weights are
        orthonormal. It is of the same order in p as the main part.
    cross : ndarray, shape (n, m)
        What groups active at the same time add: the paper's :math:`\tilde\beta`.
    """

    main: np.ndarray
    same_group: np.ndarray
    cross: np.ndarray

    @property
    def total(self):
        """Sum of the three parts."""
        return self.main + self.same_group + self.cross


def expected_gradient(A, W, groups, n_active, tau, variance=1.0):
    r"""Expectation of the approximate gradient (51) with constant tau, exact for weights of any kind.

    .. math:: G_g = -\tau\,\mathbb E\bigl[\mathbf 1_{g\in S}\{(I-\tau W_SW_S^\top)yy^\top
              + yy^\top(I-\tau W_SW_S^\top)\}\bigr]W_g

    over supports of exactly `n_active` groups, all equally likely, and codes that are uncorrelated with variance c. No
    group needs to be orthonormal. Cost :math:`O(nm^2 + m^3)`.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights.
    groups : Groups
        Groups of any sizes.
    n_active : int
        Number of active groups.
    tau : float
        Factor of the shrinkage, from 0 to 1.
    variance : float
        The covariance of an active group's code is this times the identity; equation (16) has 1.

    Returns
    -------
    ExpectedGradient
    """
    A = check_matrix("A", A)
    W = check_matrix("W", W, *A.shape)
    p, pair, triple, _ = support_probabilities(len(groups), n_active)
    tau = check_number("tau", tau, 0, 1)
    group_of = np.empty(A.shape[1], dtype=int)
    group_of[groups.indices] = np.repeat(np.arange(len(groups)), groups.sizes)
    same = group_of[:, None] == group_of
    K, G = W.T @ A, W.T @ W
    M, N = np.where(same, K, 0), np.where(same, G, 0)

    # G_g is W times the sum over l of tau^2 P(g, h, l active) K_hl K_gl^T, minus A times another such sum
    own = tau**2 * (W @ (M @ M.T) + A @ (M.T @ N)) - 2 * tau * A @ M.T
    main = tau * (2 - tau) * (W - A) @ M.T
    part = K @ M.T
    on_weights = np.where(same, pair * (K @ K.T - M @ M.T), triple * K @ K.T + (pair - triple) * (part + part.T))
    overlap = K.T @ G
    on_atoms = np.where(same, pair * (overlap - M.T @ N), triple * overlap + (pair - triple) * (K.T @ N + M.T @ G))
    cross = tau**2 * (W @ on_weights + A @ on_atoms) - 2 * tau * pair * A @ np.where(same, 0, K.T)
    return ExpectedGradient(variance * p * main, variance * p * (own - main), variance * cross)


def law_rates(tau, p, step, variance=1.0, *, rank_one=0.0):
    r"""Rates of `group_descent.tangent_law`: :math:`a = \eta cp[\tau(2-\tau)+\rho(1-\tau)^2]`, :math:`b=\eta cp\tau^2`.

    Parameters
    ----------
    tau, p, step, variance, rank_one : float
        As for `own_gradient`, and the step size eta.

    Returns
    -------
    a, b : float
        b is at most a.
    """
    scale = step * variance * p
    return scale * (tau * (2 - tau) + rank_one * (1 - tau) ** 2), scale * tau**2


def own_gradient(A, W, groups, tau, p, variance=1.0, *, rank_one=0.0):
    r"""Expected gradient when the groups do not interfere and their weights are orthonormal, with constant tau.

    .. math:: G_g = cp\bigl\{-[\tau(2-\tau)+\rho(1-\tau)^2]A_gM_g^\top + \tau^2W_gM_gM_g^\top\bigr\}

    where rho is the share of the rank-one part of the Jacobian. With rho = 0 it is the approximate gradient. With
    rho = 1 it is the exact one: the encoder sees :math:`W_g^\top r = (1-\tau)z_g`, which the Jacobian leaves as it is.
    Tau is constant where the norms of the codes are, and :math:`M_g` is a multiple of an orthogonal matrix.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary, and weights with orthonormal groups.
    groups : Groups
        Groups of one size.
    tau, p, variance : float
        Factor of the shrinkage, probability and variance of a group.
    rank_one : float
        Share rho, from 0 to 1.

    Returns
    -------
    ndarray, shape (n, m)
    """
    A = check_matrix("A", A)
    A, W = blocks(A, groups), blocks(check_matrix("W", W, *A.shape), groups)  # atoms are rows
    M = W @ A.swapaxes(1, 2)
    pull, push = law_rates(tau, p, 1.0, variance, rank_one=rank_one)
    return columns(push * M @ M.swapaxes(1, 2) @ W - pull * M @ A, groups)


def tangential(G, W, groups):
    r"""Part of a gradient that turns the subspaces: :math:`(I - W_gW_g^\top)G_g`.

    For gradients of the loss, :math:`W_g^\top G_g` is symmetric, so the rest only stretches the atoms.

    Parameters
    ----------
    G, W : array_like, shape (n, m)
        Gradient, and weights with orthonormal groups.
    groups : Groups
        Groups of one size.

    Returns
    -------
    ndarray, shape (n, m)
    """
    G = check_matrix("G", G)
    G, W = blocks(G, groups), blocks(check_matrix("W", W, *G.shape), groups)
    return columns(G - G @ W.swapaxes(1, 2) @ W, groups)


# The shrinkage factor as a random variable, and the scale of the weights ----------------------------------------------


class TauMoments(NamedTuple):
    """Moments for a group of orthonormal weights without interference, whose code has a norm b uniform on an interval.

    Attributes
    ----------
    tau, square, tau_square, tau2_square : float
        Means of tau, of b squared, and of tau and tau squared times b squared.
    linear_ratio, square_ratio : float
        By how much the last two exceed the products of means that stand for them in (29) and (53).
    """

    tau: float
    square: float
    tau_square: float
    tau2_square: float
    linear_ratio: float
    square_ratio: float


def tau_moments(lam, b_min, b_max):
    r"""Moments of :math:`\tau = 1 - \lambda/b` for b uniform on an interval.

    Parameters
    ----------
    lam : float
        Shrinkage, at most `b_min`.
    b_min, b_max : float
        Ends of the interval.

    Returns
    -------
    TauMoments
    """
    lam, mean, square, inverse = _check_norms(lam, b_min, b_max)
    tau = 1 - lam * inverse
    first, second = square - lam * mean, square - 2 * lam * mean + lam**2
    return TauMoments(tau, square, first, second, first / (tau * square), second / (tau**2 * square))


def zero_loss_scale(norm, lam):
    r"""Scale s at which the weights :math:`sA_g` reproduce a code of the given norm: :math:`s^2 - s\lambda/b = 1`.

    Parameters
    ----------
    norm : float or ndarray
        Norm b of the code.
    lam : float
        Shrinkage.

    Returns
    -------
    float or ndarray
    """
    half = lam / (2 * np.asarray(norm))
    return half + np.sqrt(half**2 + 1)


def best_scale(lam, b_min, b_max):
    r"""Scale s of the weights :math:`sA_g` with the smallest loss, for norms b uniform on an interval.

    The residual of one group is :math:`s^2b - s\lambda - b`; the mean of its square has its minimum at a root of a
    cubic.

    Parameters
    ----------
    lam, b_min, b_max
        As for `tau_moments`.

    Returns
    -------
    float
    """
    lam, mean, square, _ = _check_norms(lam, b_min, b_max)
    roots = np.roots([2 * square, -3 * lam * mean, lam**2 - 2 * square, lam * mean])
    return float(roots.real.max())


def _check_norms(lam, b_min, b_max):
    """The shrinkage, and the means of b, of its square and of its inverse."""
    b_min = check_number("b_min", b_min, 0, open_low=True)
    b_max = check_number("b_max", b_max, b_min)
    lam = check_number("lam", lam, 0, b_min)
    inverse = np.log(b_max / b_min) / (b_max - b_min) if b_max > b_min else 1 / b_min
    return lam, (b_min + b_max) / 2, (b_min**2 + b_min * b_max + b_max**2) / 3, inverse
