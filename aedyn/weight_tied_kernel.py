r"""The tangent kernel of the tied network at infinite width, and what it says of training that starts at variance 2.

At variance 2 the untrained network is the identity plus an error of order :math:`1/\sqrt m`, so wide networks hardly
move, and training is linear in the kernel.
"""

import numpy as np

from aedyn._checks import check_number
from aedyn._parallel import one_blas_thread
from aedyn.ntk_limits import angles, kernels_at, limit_kernels
from aedyn.unit_samples import check_unit_rows
from aedyn.wedge_moments import fourth_moments, second_moments


def tied_kernel(X, Y):
    r"""Limit of the tangent kernel of the tied network at variance 1; it is proportional to the variance.

    Block (i, j) is :math:`T_{ij}I + \cos\theta_{ij}M + My_jx_i^T + y_jx_i^TM` with M of
    `wedge_moments.second_moments` for the pair. Under gradient flow, in the time of `aedyn.weight_tied_training`,
    :math:`\dot u(x) = \sum_jK(x,x_j)\,e_j`.

    Parameters
    ----------
    X, Y : array_like, shapes (n, d) and (p, d)
        Unit rows.

    Returns
    -------
    ndarray, shape (n d, p d)
        Index i d + a belongs to output a of sample i.
    """
    X, Y = check_unit_rows("X", X), check_unit_rows("Y", Y)
    (n, d), p = X.shape, len(Y)
    M, T = second_moments(X, Y), kernels_at(angles(X, Y)).decoder
    blocks = T[..., None, None] * np.eye(d) + (X @ Y.T)[..., None, None] * M
    blocks += np.einsum("ijab,jb,ic->ijac", M, Y, X) + np.einsum("ja,ib,ijbc->ijac", Y, X, M)
    return blocks.swapaxes(1, 2).reshape(n * d, p * d)


def error_covariance(X, Y):
    r"""Covariance of the errors u(x) - x of the untrained network at variance 2, times the width m.

    It is :math:`4N - xy^T` with N of `wedge_moments.fourth_moments`, for any m.

    Parameters
    ----------
    X, Y : array_like, shapes (n, d) and (p, d)
        Unit rows.

    Returns
    -------
    ndarray, shape (n d, p d)
    """
    X, Y = check_unit_rows("X", X), check_unit_rows("Y", Y)
    (n, d), p = X.shape, len(Y)
    blocks = 4 * fourth_moments(X, Y) - np.einsum("ia,jb->ijab", X, Y)
    return blocks.swapaxes(1, 2).reshape(n * d, p * d)


@one_blas_thread()
def trained_loss(X, tests, time=np.inf):
    r"""Expected loss at new inputs after training at variance 2, times the width m, to first order in 1/m.

    Linear training subtracts from the error at x the regression on the errors at the samples,
    :math:`K(x, X)\,h(K)\,(u(X) - X)` with :math:`h(\lambda) = (1 - e^{-2\lambda t})/\lambda`; the mean of the square
    follows from `error_covariance`.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Training samples, unit rows.
    tests : array_like, shape (p, d)
        Unit rows.
    time : float
        Step times number of steps.

    Returns
    -------
    ndarray, shape (p,)
    """
    X, tests, time = check_unit_rows("X", X), check_unit_rows("tests", tests), _check_time(time)
    values, vectors = np.linalg.eigh(tied_kernel(X, X))
    values = np.maximum(values, 1e-12 * values[-1])
    h = vectors * (-np.expm1(-2 * values * time) / values) @ vectors.T
    noise = error_covariance(X, X)
    losses = []
    for x in tests[:, None]:
        weights = tied_kernel(x, X) @ h
        cross = error_covariance(x, X)
        losses.append(np.trace(error_covariance(x, x)) + np.vdot(weights, weights @ noise - 2 * cross))
    return np.array(losses)


def lazy_loss_of_gain(X, time=np.inf):
    r"""What training at variance 2 takes from the gain on unseen directions: the share, times the width m.

    Across the span of the samples the kernel is :math:`2(S+T)`, whatever the direction, and the outputs there start
    with the covariance :math:`4T/m`. The gain lost is the integral of their squares, a share of

    .. math:: \frac1m\,\mathrm{tr}\,T(S+T)^{-1}\bigl(1 - e^{-4(S+T)t}\bigr) .

    Parameters
    ----------
    X : array_like, shape (n, d)
        Training samples, unit rows.
    time : float
        Step times number of steps.

    Returns
    -------
    float
        At most (n + 1)/2, as T is at most S plus a matrix with all entries 1/(2 pi).
    """
    time = _check_time(time)
    kernels = limit_kernels(X)
    values, vectors = np.linalg.eigh(kernels.joint)
    values = np.maximum(values, 1e-12 * values[-1])
    own = np.einsum("ij,ik,kj->j", vectors, kernels.decoder, vectors)
    return float(own @ (-np.expm1(-4 * values * time) / values))


def _check_time(time):
    return time if time == np.inf else check_number("time", time, 0)
