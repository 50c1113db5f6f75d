r"""Expected gradients over infinitely many samples, in closed form.

The units of the true support are active, as in the analysis of the dynamics paper: a sample :math:`y = Ax^* + \eta`
has code :math:`x_i = \mathbf 1_{i\in S}(\langle W_i, y\rangle + b_i)` with S the support of :math:`x^*`. With the
overlaps :math:`c_i = \mathbf 1_{i\in S}\langle W_i, y - Wx\rangle` the expected gradient of every model is

.. math:: g = W\,\mathbb E[xx^\top] - \mathbb E[y(x + c)^\top],

which holds for columns of any norm, unequal biases and noise.
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_count, check_matrix
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse, SparseCoding


class SupportProbabilities(NamedTuple):
    """Probability that given distinct atoms are all active, for uniformly random supports (assumption A1).

    Attributes
    ----------
    p_i, p_ij, p_ijl, p_ijlq : float
        For one, two, three and four atoms.
    """

    p_i: float
    p_ij: float
    p_ijl: float
    p_ijlq: float


def support_probabilities(m, k):
    """Probability that one to four given atoms are all among k active ones out of m, uniformly chosen.

    Parameters
    ----------
    m, k : int

    Returns
    -------
    SupportProbabilities
    """
    m = check_count("m", m)
    k = check_count("k", k, high=m)
    shares = [(k - t) / (m - t) if t < k else 0.0 for t in range(4)]
    return SupportProbabilities(*(float(p) for p in np.cumprod(shares)))


def mixture_gradient(A, W, b, probabilities, sigma_eta=0.0):
    r"""Expected gradient for mixtures of Gaussians: equation (9) of the dynamics paper, for columns of any norm.

    .. math:: g_i = p_i\bigl\{[(\lambda_i + b_i)^2 - 2\sigma_\eta^2(1 - w_i^2)]W_i
              - [(2 - w_i^2)\lambda_i + (1 - w_i^2)b_i]A_i\bigr\},
              \quad \lambda_i = \langle W_i, A_i\rangle,\ w_i = \|W_i\|.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Means of the components, of any norm.
    W : array_like, shape (n, m)
        Weights, of any norm; at norm 1 the noise drops out.
    b : float or array_like, shape (m,)
        Bias.
    probabilities : array_like, shape (m,)
        Probability of each component.
    sigma_eta : float
        Standard deviation of the noise.

    Returns
    -------
    ndarray, shape (n, m)
    """
    A, W, b = _check(A, W, b)
    p = _check_probabilities(probabilities, A.shape[1])
    overlap, excess = (W * A).sum(axis=0), 1 - (W**2).sum(axis=0)
    own = (overlap + b) ** 2 - 2 * sigma_eta**2 * excess
    return p * (own * W - ((1 + excess) * overlap + excess * b) * A)


def bias_gradient(A, W, b, probabilities):
    r"""Expected gradient in the bias for mixtures of Gaussians, for columns of any norm.

    It is :math:`p_i[w_i^2 b_i - (1 - w_i^2)\lambda_i]`, hence :math:`p_i b_i` at norm 1; section 5 of the dynamics
    paper has the opposite sign.

    Parameters
    ----------
    A, W, b, probabilities
        As for `mixture_gradient`; the noise has no effect.

    Returns
    -------
    ndarray, shape (m,)
    """
    A, W, b = _check(A, W, b)
    square = (W**2).sum(axis=0)
    return _check_probabilities(probabilities, A.shape[1]) * (square * b - (1 - square) * (W * A).sum(axis=0))


def nonnegative_gradient(A, W, b, k, kappa1, kappa2, sigma_eta=0.0):
    r"""Expected gradient for codes on uniformly random supports, exact.

    Given the support, the nonzero entries are independent with mean kappa1 and second moment kappa2; with kappa1 = 0
    this covers zero-mean codes with a bias too. Cost :math:`O(nm^2 + m^3)`.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary.
    W : array_like, shape (n, m)
        Weights, of any norm.
    b : float or array_like, shape (m,)
        Bias.
    k : int
        Size of the support.
    kappa1, kappa2 : float
        First and second moment of a nonzero entry.
    sigma_eta : float
        Standard deviation of the noise.

    Returns
    -------
    ndarray, shape (n, m)
    """
    A, W, b = _check(A, W, b)
    on_weights, on_atoms = _coefficients(A, W, b, k, kappa1, kappa2)
    gradient = W @ on_weights - A @ on_atoms
    if sigma_eta:
        p = support_probabilities(W.shape[1], k)
        gram = p.p_ij * (W.T @ W)
        np.fill_diagonal(gram, p.p_i * ((W**2).sum(axis=0) - 1))
        gradient += 2 * sigma_eta**2 * W @ gram
    return gradient


class Expansion(NamedTuple):
    r"""The gradient as :math:`g_i = \alpha_i W_i - \beta_i A_i + e_i` (appendix B.3 of the dynamics paper).

    Attributes
    ----------
    alpha, beta : ndarray, shape (m,)
    rest : ndarray, shape (n, m)
        The columns are the vectors :math:`e_i`.
    """

    alpha: np.ndarray
    beta: np.ndarray
    rest: np.ndarray


def alpha_beta(A, W, b, k, kappa1, kappa2, *, printed=False):
    r"""Coefficients of the unit's own column and atom in the gradient for non-negative codes, without noise.

    Parameters
    ----------
    A, W, b, k, kappa1, kappa2
        As for `nonnegative_gradient`.
    printed : bool
        Whether the last term of beta is as in appendix B.3,
        :math:`-\kappa_1\sum_{j\ne i}p_{ij}b_i\langle W_i, W_j\rangle`, where :math:`b_j` is right.

    Returns
    -------
    Expansion
        The rest belongs to the coefficients returned.
    """
    A, W, b = _check(A, W, b)
    on_weights, on_atoms = _coefficients(A, W, b, k, kappa1, kappa2)
    alpha, beta = np.diag(on_weights).copy(), np.diag(on_atoms).copy()
    if printed:
        gram = W.T @ W
        beta += kappa1 * support_probabilities(W.shape[1], k).p_ij * (gram @ b - b * gram.sum(axis=0))
    return Expansion(alpha, beta, W @ on_weights - A @ on_atoms - alpha * W + beta * A)


def _coefficients(A, W, b, k, kappa1, kappa2):
    r"""Matrices U and V with :math:`g = WU - AV` when there is no noise.

    :math:`U_{ij} = \mathbb E[x_ix_j]` and :math:`V_{li} = \mathbb E[x_l^*(x_i + c_i)]`. Given a support of k atoms, the
    pre-activation :math:`\sum_{r\in S}\langle W_j, A_r\rangle x_r^* + b_j` has the mean :math:`\sum_{r\in S}B_{jr}`
    with :math:`B_{jr} = \kappa_1\langle W_j, A_r\rangle + b_j/k`, to which the variance of the entries adds.
    """
    p = support_probabilities(W.shape[1], k)
    C, G = W.T @ A, W.T @ W
    B = kappa1 * C + b[:, None] / k
    variance = kappa2 - kappa1**2
    U = variance * _pairs(C, p) + _pairs_of_sums(B, p)
    V = variance * (2 * _in_support(C, p) - _overlaps(G, C, p))
    V += kappa1 * (_sums(B + kappa1 * C, p) - _overlaps_of_sums(G, B, p))
    return U, V.T


# Sums over supports. Each has a formula for two different atoms i and l, and one for the diagonal.


def _with_diagonal(matrix, diagonal):
    np.fill_diagonal(matrix, diagonal)
    return matrix


def _in_support(C, p):
    r""":math:`p_{il}C_{il}`."""
    return _with_diagonal(p.p_ij * C, p.p_i * np.diag(C))


def _sums(B, p):
    r""":math:`\sum_r p_{ilr}B_{ir}`."""
    own, total = np.diag(B), B.sum(axis=1)
    others = p.p_ijl * total + (p.p_ij - p.p_ijl) * own
    return _with_diagonal(others[:, None] + (p.p_ij - p.p_ijl) * B, p.p_ij * total + (p.p_i - p.p_ij) * own)


def _pairs(C, p):
    r""":math:`\sum_r p_{ilr}C_{ir}C_{lr}`."""
    own, gram = np.diag(C), C @ C.T
    part = C * own
    return _with_diagonal(
        p.p_ijl * gram + (p.p_ij - p.p_ijl) * (part + part.T),
        p.p_ij * np.diag(gram) + (p.p_i - p.p_ij) * own**2,
    )


def _pairs_of_sums(B, p):
    r""":math:`\sum_{r,s} p_{ilrs}B_{ir}B_{ls}`."""
    own, total, gram = np.diag(B), B.sum(axis=1), B @ B.T
    p2, p3, p4 = p.p_ij, p.p_ijl, p.p_ijlq
    one, three = (B + own[:, None]) * total, B * own
    return _with_diagonal(
        p4 * np.outer(total, total)
        + (p3 - p4) * (one + one.T + gram)
        + (p2 - 2 * p3 + p4) * (B * B.T + np.outer(own, own))
        + (p2 - 3 * p3 + 2 * p4) * (three + three.T),
        p3 * total**2 + (p2 - p3) * (2 * own * total + np.diag(gram)) + (p.p_i - 3 * p2 + 2 * p3) * own**2,
    )


def _overlaps(G, C, p):
    r""":math:`\sum_j p_{ijl}G_{ij}C_{jl}`."""
    own, norm = np.diag(C), np.diag(G)
    return _with_diagonal(
        p.p_ijl * (G @ C) + (p.p_ij - p.p_ijl) * (norm[:, None] * C + G * own),
        p.p_ij * (G * C.T).sum(axis=1) + (p.p_i - p.p_ij) * norm * own,
    )


def _overlaps_of_sums(G, B, p):
    r""":math:`\sum_{j,r} p_{ijlr}G_{ij}B_{jr}`."""
    own, norm, total, back = np.diag(B), np.diag(G), B.sum(axis=1), (G * B.T).sum(axis=1)
    p2, p3, p4 = p.p_ij, p.p_ijl, p.p_ijlq
    column = p4 * (G @ total) + (p3 - p4) * (norm * total + back + G @ own) + (p2 - 3 * p3 + 2 * p4) * norm * own
    return _with_diagonal(
        column[:, None]
        + (p3 - p4) * (G * total + G @ B)
        + (p2 - 2 * p3 + p4) * (norm[:, None] * B + G * B.T)
        + (p2 - 3 * p3 + 2 * p4) * G * own,
        p3 * (G @ total) + (p2 - p3) * (norm * total + back + G @ own) + (p.p_i - 3 * p2 + 2 * p3) * norm * own,
    )


def sparse_gradient(A, W, k, sigma_eta=0.0):
    """Expected gradient for zero-mean codes with unit variance and no bias: what equation (15) should say.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary, and weights of any norm.
    k : int
        Size of the support.
    sigma_eta : float
        Standard deviation of the noise.

    Returns
    -------
    ndarray, shape (n, m)
    """
    return nonnegative_gradient(A, W, 0.0, k, 0.0, 1.0, sigma_eta)


def printed_sparse_gradient(A, W, k):
    """Equation (15) of the dynamics paper as printed, which leaves out most second moments of the code.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary, and weights with unit columns.
    k : int
        Size of the support.

    Returns
    -------
    ndarray, shape (n, m)
    """
    A, W, _ = _check(A, W, 0.0)
    p = support_probabilities(W.shape[1], k)
    overlap = (W * A).sum(axis=0)
    others = p.p_ij * _with_diagonal(W.T @ A, 0)  # of unit j (row) and atom i (column)
    gradient = p.p_i * overlap * (overlap * W - A)
    return gradient + overlap * (W @ others) + ((W.T @ W) * others).sum(axis=0) * A


def population_gradient(model, W, b=0.0):
    """Expected gradient of a model, over infinitely many samples, with the units of the true support active.

    Parameters
    ----------
    model : MixtureOfGaussians, SparseCoding or NonnegativeSparse
    W : array_like, shape (n, m)
        Weights, of any norm.
    b : float or array_like, shape (m,)
        Bias.

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    TypeError
        For a model without a closed form here.
    """
    if isinstance(model, MixtureOfGaussians):
        return mixture_gradient(model.A, W, b, model.probabilities, model.sigma_eta)
    if isinstance(model, SparseCoding | NonnegativeSparse):
        return nonnegative_gradient(model.A, W, b, model.k, model.kappa1, model.kappa2, model.sigma_eta)
    raise TypeError(f"model must be a mixture of Gaussians or have uniform supports; got {type(model).__name__}")


def _check(A, W, b):
    A = check_matrix("A", A)
    W = check_matrix("W", W, *A.shape)
    b = np.asarray(b, dtype=float)
    if b.shape not in ((), A.shape[1:]) or not np.isfinite(b).all():
        raise ValueError(f"b must be a number or {A.shape[1]} numbers; got {b}")
    return A, W, np.broadcast_to(b, A.shape[1:])


def _check_probabilities(probabilities, m):
    p = np.asarray(probabilities, dtype=float)
    if p.shape != (m,) or not (p > 0).all() or p.sum() > 1 + 1e-9:
        raise ValueError(f"probabilities must be {m} positive numbers that sum to at most 1; got {p}")
    return p
