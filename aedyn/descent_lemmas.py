r"""The lemmas behind Theorem 4 of the dynamics paper, as printed and as they follow from their proofs.

Lemmas 1, 2 and 4 say that the expected gradient correlates with the error, Claims 3 and 4 bound terms of the gradient
for non-negative codes, and Lemma 5 is about normalisation. All of it can be had from `aedyn.descent` too.
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_matrix, check_number, check_unit_columns
from aedyn.population import mixture_gradient, nonnegative_gradient, sparse_gradient, support_probabilities

# Lemmas 1, 2 and 4: the gradient correlates with the error ------------------------------------------------------------


def bias_condition(delta, b, kappa1=1.0, kappa2=1.0, cross=1.0):
    r"""Left side of the condition on the bias in Lemmas 1 and 4, in units of its right side: met when at most 1.

    .. math:: \frac{|\kappa_2\lambda^2 + 2\kappa_1 c\,b\lambda + b^2 - \kappa_2\lambda|}{2\kappa_2(1-\lambda)},
              \quad \lambda = 1 - \delta^2/2.

    Parameters
    ----------
    delta : float or ndarray
        Distance of the unit from its atom, positive.
    b : float or ndarray
        Bias.
    kappa1, kappa2 : float
        Moments of the nonzero entries; both 1 for Lemma 1.
    cross : float
        The factor c: 1, or the probability k/m of an atom, which Lemma 4 has there as printed.

    Returns
    -------
    float or ndarray
    """
    overlap = 1 - np.square(delta) / 2
    excess = kappa2 * overlap**2 + 2 * kappa1 * cross * b * overlap + np.square(b) - kappa2 * overlap
    return np.abs(excess) / (2 * kappa2 * (1 - overlap))


def lemma4_window(delta, kappa1, kappa2):
    r"""Biases of an active unit for which the (corrected) condition of Lemma 4 is met.

    Parameters
    ----------
    delta : float or ndarray
        Distance of the unit from its atom.
    kappa1, kappa2 : float
        Moments of the nonzero entries.

    Returns
    -------
    low, high : float or ndarray
        An active unit has :math:`b > -\kappa_1\lambda` on average.
    """
    overlap = 1 - np.square(delta) / 2
    spread = (kappa1**2 - kappa2) * overlap**2
    low, high = (spread + kappa2 * edge for edge in (3 * overlap - 2, 2 - overlap))
    return np.sqrt(np.maximum(low, 0)) - kappa1 * overlap, np.sqrt(np.maximum(high, 0)) - kappa1 * overlap


def lemma1_window(delta):
    r"""Biases of an active unit for which the condition of Lemma 1 is met.

    With :math:`\lambda = 1-\delta^2/2` it is :math:`[\sqrt{3\lambda-2}-\lambda, \sqrt{2-\lambda}-\lambda]`, about
    :math:`[-\delta^2/4, 3\delta^2/4]`.

    Parameters
    ----------
    delta : float or ndarray
        Distance of the unit from its atom.

    Returns
    -------
    low, high : float or ndarray
    """
    return lemma4_window(delta, 1.0, 1.0)


class Sides(NamedTuple):
    """The sides of a lemma on the correlation of gradient and error, one entry a column.

    Attributes
    ----------
    left : ndarray, shape (m,)
        Twice the inner product of gradient and error.
    printed : ndarray, shape (m,)
        Right side as printed; an error term that is given as O(.) only is left out.
    corrected : ndarray, shape (m,)
        Right side as it follows from the proof, with the error term computed.
    """

    left: np.ndarray
    printed: np.ndarray
    corrected: np.ndarray


def lemma1_sides(A, W, b, probabilities, gamma=0.0):
    r"""Both sides of Lemma 1, for the gradient of a mixture plus a vector gamma that stands for missed supports.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with unit columns.
    b : float or array_like, shape (m,)
        Bias; the lemma supposes `bias_condition` at most 1.
    probabilities : array_like, shape (m,)
    gamma : float or array_like, shape (n, m)

    Returns
    -------
    Sides
        With the distance of each column for delta.
    """
    gamma, probabilities = np.broadcast_to(gamma, np.shape(W)), np.asarray(probabilities)
    gradient = mixture_gradient(A, W, b, probabilities) + gamma
    loss = 2 * _squares(gamma) / (probabilities * _overlap(A, W))
    return _sides(A, W, gradient, probabilities, loss, loss)


def lemma4_sides(A, W, b, k, kappa1, kappa2):
    r"""Both sides of Lemma 4 for non-negative codes.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with unit columns.
    b : float or array_like, shape (m,)
        Bias; the lemma supposes `bias_condition` at most 1.
    k : int
        Size of the support.
    kappa1, kappa2 : float
        Moments of the nonzero entries.

    Returns
    -------
    Sides
        With the distance of each column for delta. The corrected side subtracts
        :math:`2\|v_i\|^2/(\kappa_2p_i\lambda_i)` with v what (16) leaves of the gradient.
    """
    gradient = nonnegative_gradient(A, W, b, k, kappa1, kappa2)
    overlap, p, b = _overlap(A, W), k / np.shape(W)[1], np.asarray(b)
    leading = p * ((kappa2 * overlap**2 + 2 * kappa1 * b * overlap + b**2) * W - kappa2 * overlap * A)
    loss = 2 * _squares(gradient - leading) / (kappa2 * p * overlap)
    return _sides(A, W, gradient, kappa2 * p, 0.0, loss)


def lemma2_sides(A, W, k, *, gradient=sparse_gradient):
    r"""Both sides of Lemma 2 for zero-mean codes.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with unit columns.
    k : int
        Size of the support.
    gradient : callable
        `population.sparse_gradient`, or the printed one.

    Returns
    -------
    Sides
        The printed side has the factor :math:`p_i\lambda_i` before the squared error; the corrected one has
        :math:`p_i\lambda_i(1-\delta_i^2/2)`, and subtracts :math:`2\|r_i\|^2/(p_i\lambda_i)` with
        :math:`r_i = g_i + p_i\lambda_iA_i - p_i\lambda_i^2W_i`.
    """
    g = gradient(A, W, k)
    overlap, p = _overlap(A, W), k / np.shape(W)[1]
    loss = 2 * _squares(g - p * overlap * (overlap * W - A)) / (p * overlap)
    left, error, square = _parts(A, W, g, p * overlap)
    return Sides(left, p * overlap * error + square, p * overlap * (1 - error / 2) * error + square - loss)


def _sides(A, W, gradient, scale, printed_loss, corrected_loss):
    overlap = _overlap(A, W)
    left, error, square = _parts(A, W, gradient, scale * overlap)
    return Sides(
        left,
        scale * (overlap - 2 * error) * error + square - printed_loss,
        scale * (overlap - 2 * error / overlap) * error + square - corrected_loss,
    )


def _parts(A, W, gradient, strength):
    """Twice the correlation, the squared errors, and the squared gradients in units of the strength."""
    difference = np.asarray(W) - A
    return 2 * (gradient * difference).sum(axis=0), _squares(difference), _squares(gradient) / strength


def _overlap(A, W):
    return (check_unit_columns("W", W) * check_unit_columns("A", A)).sum(axis=0)


def _squares(columns):
    return np.square(columns).sum(axis=0)


# Claims 3 and 4, and the bound in the proof of Lemma 2 ----------------------------------------------------------------


class Terms(NamedTuple):
    """Terms of a gradient, and explicit bounds for them.

    Attributes
    ----------
    values : ndarray, shape (n_terms, m)
        Absolute value of each term for each unit.
    bounds : ndarray, shape (n_terms,)
    """

    values: np.ndarray
    bounds: np.ndarray


def claim3_terms(A, W, k):
    r"""The sums of Claim 3 without their moments, for uniform supports.

    They are :math:`\sum_jp_{ij}\langle W_i,A_j\rangle^2`, :math:`\sum_jp_{ij}\langle W_i,A_j\rangle` and
    :math:`\sum_{j\ne l}p_{ijl}\langle W_i,A_j\rangle\langle W_i,A_l\rangle` over atoms other than i.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
    k : int
        Size of the support.

    Returns
    -------
    Terms
        The bounds :math:`O(p_ik/m), O(p_ik/\sqrt m), O(p_ik^2/m)` with their constants.
    """
    A, W, p, m = _check_terms(A, W, k)
    C = _off_diagonal(W.T @ A)
    norm = np.linalg.norm(A, 2)
    values = p.p_ij * _squares(C.T), p.p_ij * C.sum(axis=1), p.p_ijl * (C.sum(axis=1) ** 2 - _squares(C.T))
    bounds = p.p_ij * norm**2, p.p_ij * norm * np.sqrt(m - 1), p.p_ijl * norm**2 * np.sqrt((m - 1) * (m - 2))
    return Terms(np.abs(values), np.array(bounds))


def claim4_terms(A, W, k):
    r"""The sums of Claim 4 without their moments, for uniform supports.

    They are :math:`\sum_jp_{ij}\langle W_i,W_j\rangle\langle A_i,W_j\rangle`,
    :math:`\sum_jp_{ij}\langle W_i,A_j\rangle`, :math:`\sum_jp_{ij}\langle W_i,W_j\rangle\langle W_j,A_j\rangle`,
    :math:`\sum_{j\ne l}p_{ijl}\langle W_i,W_j\rangle\langle W_j,A_l\rangle` and
    :math:`\sum_jp_{ij}\langle W_i,W_j\rangle` over atoms other than i.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with unit columns.
    k : int
        Size of the support.

    Returns
    -------
    Terms
        The bounds :math:`O(p_ik/m)`, twice :math:`O(p_ik/\sqrt m)`, :math:`O(p_ik^2/m)`, :math:`O(p_ik/\sqrt m)` with
        their constants.
    """
    A, W, p, m = _check_terms(A, W, k)
    C, G = W.T @ A, _off_diagonal(W.T @ W)
    own = np.diag(C)
    # C has the index of the unit first: row j, column l
    pairs = G @ (C.sum(axis=1) - own) - (G * C.T).sum(axis=1)
    values = (
        p.p_ij * (G * C.T).sum(axis=1),
        p.p_ij * (C.sum(axis=1) - own),
        p.p_ij * G @ own,
        p.p_ijl * pairs,
        p.p_ij * G.sum(axis=1),
    )
    on_atoms, on_weights = (np.linalg.norm(matrix, 2) for matrix in (A, W))
    root = p.p_ij * np.sqrt(m - 1)
    bounds = (
        p.p_ij * on_weights**2,
        root * on_atoms,
        root * on_weights,
        p.p_ijl * (m - 1) * on_weights**2,
        root * on_weights,
    )
    return Terms(np.abs(values), np.array(bounds))


def lemma2_terms(A, W, k):
    r"""The two error terms of the printed (15), :math:`\|W_{-i}\mathrm{diag}(p_{ij})W_{-i}^\top A_i\|` and with W_i.

    Parameters
    ----------
    A, W : array_like, shape (n, m)
        Dictionary and weights with unit columns.
    k : int
        Size of the support.

    Returns
    -------
    Terms
        Both bounds are :math:`\|W\|^2\max_{j\ne i}p_{ij} = O(p_ik/n)`.
    """
    A, W, p, _ = _check_terms(A, W, k)
    vectors = p.p_ij * W @ _off_diagonal(W.T @ A)
    values = np.linalg.norm(vectors, axis=0), np.abs((W * vectors).sum(axis=0))
    return Terms(np.array(values), np.full(2, p.p_ij * np.linalg.norm(W, 2) ** 2))


def _check_terms(A, W, k):
    A = check_matrix("A", A)
    W = check_matrix("W", W, *A.shape)
    return A, W, support_probabilities(A.shape[1], k), A.shape[1]


def _off_diagonal(matrix):
    np.fill_diagonal(matrix, 0)
    return matrix


# Lemma 5: normalisation -----------------------------------------------------------------------------------------------


class Lemma5Thresholds(NamedTuple):
    """Smallest tau for which Lemma 5 keeps a normalised column within delta of its atom.

    Attributes
    ----------
    printed : float
        In the statement.
    proved : float
        From the triangle inequality, as in the proof.
    sharp : float
        The smallest for which it is true.
    """

    printed: float
    proved: float
    sharp: float


def lemma5_thresholds(delta):
    r"""Thresholds :math:`(1-\delta)/(2-\delta)`, :math:`(1+\delta)/(2+\delta)` and :math:`1-\sqrt{1-\delta^2/4}`.

    Parameters
    ----------
    delta : float
        Distance before the step, from 0 to the square root of 2.

    Returns
    -------
    Lemma5Thresholds
    """
    delta = check_number("delta", delta, 0, np.sqrt(2))
    return Lemma5Thresholds((1 - delta) / (2 - delta), (1 + delta) / (2 + delta), 1 - np.sqrt(1 - delta**2 / 4))


def normalized_distance(epsilon):
    r"""Largest distance from a unit vector after normalising a vector that is within epsilon of it.

    It is :math:`\sqrt{2 - 2\sqrt{1-\epsilon^2}}`, about epsilon, and attained where the ray touches the ball.

    Parameters
    ----------
    epsilon : float or ndarray
        From 0 to 1.

    Returns
    -------
    float or ndarray
    """
    return np.sqrt(2 - 2 * np.sqrt(1 - np.square(epsilon)))
