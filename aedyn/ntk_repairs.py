r"""What can be proved in place of the steps that fail: six inequalities, and both sides of each computed.

Notation: s_r is the pattern of unit r on the samples, F_i the set of units whose pattern on sample i changed,
:math:`A_F` the columns of A in F, :math:`\lambda_n = \|X\|^2`. All rest on the same two facts. For y in
:math:`R^{nd}` with rows :math:`y_i`,

.. math:: y^T G y = \frac1m \sum_r \|p_r(y)\|^2, \qquad p_r(y) = \sum_i s_{ir} (a_r \cdot y_i)\, x_i,

and a combination of samples with coefficients :math:`c_i` has squared norm at most :math:`\lambda_n \sum_i c_i^2`.

R1 `encoder_stability`, R2 `decoder_stability`, R3 `path_length`, R4 `ntk_bounds.flip_bound` and
`ntk_widths.repaired_width`, R5 `mean_slope_sides` and `descent_bound`, R6 `decoder_only`. Two consequences:

- **Theorem 5.1, repaired** (R2, R3, R6). For gradient flow on both layers and m at least `ntk_widths.joint_width`,
  :math:`\|E(t)\|^2 \le e^{-\lambda_T t/d} \|E(0)\|^2` with probability :math:`1 - 2\delta`. While
  :math:`\lambda_{\min}(H) \ge \lambda_T/2` the path is shorter than R3 says, and on a path that short R2 keeps
  :math:`\lambda_{\min}(H)` above :math:`\lambda_T/2`; W is continuous in time, so it never leaves that ball.
- **Theorems 4.2 and 5.2, repaired** (R1, R3, R4, R5). With one width for both, `ntk_widths.repaired_width`, gradient
  descent on the encoder and on both layers converges like :math:`(1 - \eta\lambda_0/2d)^k`, for steps up to those of
  `descent_bound`; a step is always shorter than what is left of the path. The order of the width is
  :math:`n d \lambda_n^3/\lambda_0^4 \delta` times logarithms, the paper's for joint training: by these bounds
  encoder-only training needs no larger width.

Flows are assumed to exist and to obey the chain rule; descent needs no such assumption. Not proved, and a conjecture:
that joint gradient descent with a fixed step converges at the rate :math:`\lambda_T` at the width of the first theorem.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np

from aedyn._checks import check_matrix, check_number
from aedyn.ntk_kernels import decoder_kernel, encoder_kernel
from aedyn.wide_network import gradients, outputs


class RootBound(NamedTuple):
    """Square root of the smallest eigenvalue of a kernel after the weights moved, and what is proved of it.

    Attributes
    ----------
    root : float
    bound : float
        Never above `root`; it may be negative.
    """

    root: float
    bound: float


def flipped_share(A, W, W_new, X):
    r"""Largest share that the units which flip on one sample have in A: :math:`\max_i \|A_{F_i}\|^2/m`.

    Parameters
    ----------
    A, W, W_new : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    float
    """
    W, A, X = _arrays(W, A, X)
    flips = (X @ W >= 0) != (X @ check_matrix("W_new", W_new, *W.shape) >= 0)
    return max(np.linalg.norm(A[:, flip], 2) ** 2 if flip.any() else 0.0 for flip in flips) / W.shape[1]


def encoder_stability(W, A, W_new, A_new, X):
    r"""R1: the encoder's kernel when units flip and decoder weights move.

    :math:`\sqrt{\lambda_{\min}(G')} \ge \sqrt{\lambda_{\min}(G)} - \sqrt{\lambda_n\varepsilon} -
    \sqrt{\lambda_n/m}\,\|A' - A\|` with :math:`\varepsilon = \max_i \|A_{F_i}\|^2/m`.

    Proof. The root of :math:`y^T G y` is :math:`m^{-1/2}` times the norm of all :math:`p_r(y)` together, and by the
    triangle inequality it changes by no more than the norm of their changes. Flips change :math:`p_r` by a combination
    of the samples on which r flips, with coefficients :math:`\pm a_r \cdot y_i`, so all together by at most
    :math:`\lambda_n \sum_i \|A_{F_i}^T y_i\|^2 \le \lambda_n m \varepsilon` in square. Moving A changes them by at most
    :math:`\lambda_n \sum_i \|(A' - A)^T y_i\|^2 \le \lambda_n \|A' - A\|^2`. Take y the last eigenvector of G'.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    W_new, A_new : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    RootBound
    """
    before, after = encoder_kernel(W, A, X), encoder_kernel(W_new, A_new, X)
    moved = np.linalg.norm(np.asarray(A_new, dtype=float) - A, 2) / sqrt(np.shape(A)[1])
    loss = np.linalg.norm(X, 2) * (sqrt(flipped_share(A, W, W_new, X)) + moved)
    return RootBound(_root(after), _root(before) - loss)


def decoder_stability(W, W_new, X):
    r"""R2: the decoder's kernel when the encoder moves, in place of Lemma 5.2.

    :math:`\sqrt{\lambda_{\min}(H')} \ge \sqrt{\lambda_{\min}(H)} - \sqrt{\lambda_n/m}\,\|W' - W\|_F`.

    Proof. These roots are the smallest singular values of :math:`\phi(X^T W)/\sqrt m`, which differ by no more than the
    norm of the difference of the matrices. ReLU moves no entry further than its argument, so in Frobenius norm that is
    at most :math:`\|X^T(W' - W)\|_F \le \sqrt{\lambda_n}\,\|W' - W\|_F`.

    Parameters
    ----------
    W, W_new : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    RootBound
    """
    before, after = decoder_kernel(W, X), decoder_kernel(W_new, X)
    moved = np.linalg.norm(np.asarray(W_new, dtype=float) - W) / sqrt(np.shape(W)[1])
    return RootBound(_root(after), _root(before) - np.linalg.norm(X, 2) * moved)


def path_length(error, d, low):
    r"""R3: length of the path of all trained weights under gradient flow, in place of Lemmas 4.3, 5.4 and 5.5.

    If :math:`\lambda_{\min}(K) \ge \lambda/2` all along, it is at most :math:`\sqrt{2d/\lambda}\,\|E(0)\|_F`.

    Proof. The speed is :math:`\|\nabla L\|` with :math:`\|\nabla L\|^2 = e^T K e/d`, which is at least
    :math:`(\lambda/2d)\|e\|^2`. And :math:`-d\|e\|/dt = e^T K e/(d\|e\|) = \|\nabla L\|^2/\|e\| \ge
    \sqrt{\lambda/2d}\,\|\nabla L\|`: the error pays for every bit of the way.

    Parameters
    ----------
    error : float
        Frobenius norm of X - U at the start.
    d : int
    low : float
        The :math:`\lambda` above.

    Returns
    -------
    float
    """
    return sqrt(2 * d / check_number("low", low, 0, open_low=True)) * error


class SlopeSides(NamedTuple):
    r"""How far a step's mean slopes are from the slopes at its start, tested on the error.

    Attributes
    ----------
    difference : float
        :math:`|e^T (G - \tilde G) e|`.
    bound : float
        :math:`\sqrt{\lambda_n \varepsilon\, e^T G e}\,\|e\|`.
    """

    difference: float
    bound: float


def mean_slope_sides(W, A, X, step):
    r"""R5, first part: flips during a step, for steps of the encoder along its gradient.

    Let :math:`\tilde G` have the mean slope :math:`g_{ir} \in [0, 1]` of the ReLU over the step in place of
    :math:`s_{ir}` on its left, so that :math:`(\eta/d)\tilde G e` is exactly what the step of W adds to U. Then
    :math:`|e^T(G - \tilde G)e| \le \sqrt{\lambda_n \varepsilon\, e^T G e}\,\|e\|`, which is at most
    :math:`\alpha\, e^T G e + \lambda_n\varepsilon\|e\|^2/4\alpha` for every :math:`\alpha > 0`.

    Proof. The left side is :math:`\frac1m \sum_r q_r \cdot p_r(e)` with :math:`q_r = \sum_i (s_{ir} - g_{ir})
    (a_r \cdot e_i) x_i`, in which only samples occur on which r flips. So :math:`\sum_r \|q_r\|^2 \le \lambda_n
    \sum_i \|A_{F_i}^T e_i\|^2 \le \lambda_n m \varepsilon \|e\|^2`, and Cauchy-Schwarz gives the rest.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
    step : float

    Returns
    -------
    SlopeSides
    """
    W, A, X = _arrays(W, A, X)
    gradient, before = gradients(W, A, X).W, outputs(W, A, X)
    W_new, E = W - step * gradient, X - before
    quadratic = X.shape[1] * np.vdot(gradient, gradient)
    difference = abs(quadratic - X.shape[1] / step * np.vdot(E, outputs(W_new, A, X) - before))
    share = flipped_share(A, W, W_new, X)
    bound = np.linalg.norm(X, 2) * np.linalg.norm(E) * sqrt(share * quadratic)
    return SlopeSides(float(difference), float(bound))


class DescentBound(NamedTuple):
    r"""The squared error after one step of joint gradient descent, and what is proved of it.

    Attributes
    ----------
    after : float
        :math:`\|E'\|_F^2`.
    bound : float
        :math:`\|E\|_F^2 - \frac\eta d (e^T K e - 2\lambda_n\varepsilon\|E\|_F^2)`, with the flips of this step.
    largest_step : float
        For which it is proved.
    """

    after: float
    bound: float
    largest_step: float


def descent_bound(W, A, X, step):
    r"""R5, second part: one step of joint gradient descent, in place of Claims C.4 to C.8.

    For steps up to the smaller of :math:`d/8B`, :math:`B = \max(\lambda_n\|A\|^2/m, \|H\|)`, and
    :math:`\sqrt{md/\lambda_n}/8\|E\|_F`, the squared error falls at least to `bound`. If moreover
    :math:`\lambda_{\min}(K) \ge 5\lambda_0/8` and :math:`\lambda_n\varepsilon \le \lambda_0/16`, it falls by the factor
    :math:`1 - \eta\lambda_0/2d`.

    Proof. U changes by :math:`(\eta/d)(\tilde G + H)e` and a product of two changes, whose inner product with e is at
    most :math:`\kappa\,(\eta/2d)\, e^T K e`, :math:`\kappa = \eta\sqrt{\lambda_n/md}\,\|E\| \le 1/8`. The flips cost
    :math:`(2\eta/d)(e^T G e/4 + \lambda_n\varepsilon\|E\|^2)` (with :math:`\alpha = 1/4`), and the squared change of U
    is at most :math:`(\eta/d)^2\, 2B(1 + \kappa/2)^2\, e^T K e \le 0.29\,(\eta/d)\, e^T K e`. The sum leaves more than
    :math:`(\eta/d)\, e^T K e` of the gain :math:`(2\eta/d)\, e^T K e`.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
    step : float

    Returns
    -------
    DescentBound
    """
    W, A, X = _arrays(W, A, X)
    (d, m), found = A.shape, gradients(W, A, X)
    W_new, A_new, error = W - step * found.W, A - step * found.A, 2 * found.loss
    after = X - outputs(W_new, A_new, X)
    top = np.linalg.norm(X, 2) ** 2
    steepness = max(top * np.linalg.norm(A, 2) ** 2 / m, np.linalg.norm(decoder_kernel(W, X), 2))
    gain = np.vdot(found.W, found.W) + np.vdot(found.A, found.A)  # e^T K e / d
    lost = 2 * top * flipped_share(A, W, W_new, X) * error / d
    largest_step = min(d / (8 * steepness), sqrt(m * d / (top * error)) / 8)
    return DescentBound(float(np.vdot(after, after)), float(error - step * (gain - lost)), float(largest_step))


class DecoderOnly(NamedTuple):
    """Descent when only the decoder is trained.

    Attributes
    ----------
    rate : float
        The squared error falls at least by this factor a step.
    largest_step : float
        For which it is proved: d over the largest eigenvalue of H.
    """

    rate: float
    largest_step: float


def decoder_only(W, X, step):
    r"""R6: when only the decoder is trained, H does not change, and :math:`E' = (I - \eta H/d)E`.

    So for steps up to :math:`d/\|H\|` the squared error falls by :math:`(1 - \eta\lambda_{\min}(H)/d)^2` a step or
    faster, at every width; `ntk_widths.decoder_width` makes :math:`\lambda_{\min}(H)` at least
    :math:`3\lambda_T/4`, and it is linear in n up to logarithms. By the bounds, then, this regime needs the smallest
    width of all. What bounds say of regimes is not what regimes do.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)
    step : float

    Returns
    -------
    DecoderOnly
    """
    values = np.linalg.eigvalsh(decoder_kernel(W, X))
    d = np.shape(X)[1]
    return DecoderOnly(float((1 - step * values[0] / d) ** 2), float(d / values[-1]))


def _arrays(W, A, X):
    X = check_matrix("X", X).astype(float, copy=False)
    W = check_matrix("W", W, X.shape[1]).astype(float, copy=False)
    return W, check_matrix("A", A, *W.shape).astype(float, copy=False), X


def _root(kernel):
    return float(np.sqrt(max(np.linalg.eigvalsh(kernel)[0], 0.0)))
