r"""What can be proved in place of the steps that fail: six inequalities, three of them here with both sides computed.

Notation: s_r is the pattern of unit r on the samples, F_i the set of units whose pattern on sample i changed,
:math:`A_F` the columns of A in F, :math:`\lambda_n = \|X\|^2`. All rest on the same two facts. For y in
:math:`R^{nd}` with rows :math:`y_i`,

.. math:: y^T G y = \frac1m \sum_r \|p_r(y)\|^2, \qquad p_r(y) = \sum_i s_{ir} (a_r \cdot y_i)\, x_i,

and a combination of samples with coefficients :math:`c_i` has squared norm at most :math:`\lambda_n \sum_i c_i^2`.

R1 `encoder_stability`, R2 `decoder_stability`, R3 `joint_training.path_bound`, R4 `ntk_bounds.flip_bound` and
`ntk_widths.repaired_width`, R5 `joint_induction.slope_gap` and `descent_bound`, R6 `decoder_only`. Two consequences:

- **Theorem 5.1, repaired** (R2, R3, R6). For gradient flow on both layers and m at least `ntk_widths.joint_width`,
  :math:`\|E(t)\|^2 \le e^{-\lambda_T t/d} \|E(0)\|^2` with probability :math:`1 - 2\delta`. While
  :math:`\lambda_{\min}(H) \ge \lambda_T/2` the path is shorter than R3 says, and on a path that short R2 keeps
  :math:`\lambda_{\min}(H)` above :math:`\lambda_T/2`; W is continuous in time, so it never leaves that ball.
- **Theorems 4.2 and 5.2, repaired** (R1, R3, R4, R5). With one width for both, `ntk_widths.repaired_width`, gradient
  descent on the encoder and on both layers converges like :math:`(1 - \eta\lambda_0/2d)^k`, for steps up to those of
  R5; a step is always shorter than what is left of the path. The order of the width is
  :math:`n d \lambda_n^3/\lambda_0^4 \delta` times logarithms, the paper's for joint training: by these bounds
  encoder-only training needs no larger width.

Flows are assumed to exist and to obey the chain rule; descent needs no such assumption. Not proved, and a conjecture:
that joint gradient descent with a fixed step converges at the rate :math:`\lambda_T` at the width of the first theorem.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np

from aedyn.ntk_kernels import decoder_kernel, encoder_kernel, flipped_share


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
    flipped = (np.matmul(X, W) >= 0) != (np.matmul(X, W_new) >= 0)
    loss = np.linalg.norm(X, 2) * (sqrt(flipped_share(A, flipped)) + moved)
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


def _root(kernel):
    return float(np.sqrt(max(np.linalg.eigvalsh(kernel)[0], 0.0)))
