r"""One step of descent taken apart, as the induction of Theorems 4.2 and 5.2 does: its terms and their bounds.

Since the ReLU is linear as long as units keep their sides, a step changes the outputs by

.. math:: U(k+1) - U(k) = \tfrac{\eta}{d}(K - K^\perp)\,e + v_2 + v_3,

equation (5.19), with the errors e, the part :math:`K^\perp` of the kernel that belongs to units which change sides,
what these units do instead (:math:`v_2`), and the product of the changes of both layers (:math:`v_3`).
"""

from typing import NamedTuple

import numpy as np

from aedyn._checks import check_number
from aedyn.joint_training import kernel
from aedyn.ntk_kernels import decoder_kernel, flipped_share
from aedyn.ntk_limits import spectrum
from aedyn.wide_network import REGIMES, gradients, outputs


class Step(NamedTuple):
    """A step of descent, taken apart.

    Attributes
    ----------
    E : ndarray, shape (n, d)
        Errors before the step.
    change : ndarray, shape (n, d)
        Change of the outputs.
    Ge, He : ndarray, shape (n, d)
        Kernels times the errors; He is zero when only the encoder moves.
    Ge_perp, He_perp : ndarray, shape (n, d)
        The same with only the units that change sides for the sample of the row.
    v2, v3 : ndarray, shape (n, d)
        What these units add to the outputs, and the product of the changes of both layers.
    flipped : ndarray of bool, shape (n, m)
        Which units change sides.
    W, A : ndarray, shape (d, m)
        Weights after the step.
    """

    E: np.ndarray
    change: np.ndarray
    Ge: np.ndarray
    He: np.ndarray
    Ge_perp: np.ndarray
    He_perp: np.ndarray
    v2: np.ndarray
    v3: np.ndarray
    flipped: np.ndarray
    W: np.ndarray
    A: np.ndarray


class Terms(NamedTuple):
    """Terms of the squared error after a step, each as a share of the squared error before it.

    Attributes
    ----------
    C1 : float
        What the kernel gains; negative.
    C2 : float
        What units that change sides lose of it.
    C3 : float
        Cross term of the errors with what these units do instead.
    C4 : float
        Cross term of the errors with the product of both changes; 0 in encoder-only training, where the paper gives
        this name to the next one.
    C5 : float
        Squared change of the outputs.
    """

    C1: float
    C2: float
    C3: float
    C4: float
    C5: float


class SlopeGap(NamedTuple):
    """How far the units that change sides take a step from what the kernel says.

    Attributes
    ----------
    measured : float
        Modulus of e (G - G~) e over the squared error, where G~ has the mean slope of the ReLU over the step.
    bound : float
        Square root of lambda_n eps times e G e over the squared error.
    eps : float
        Largest squared norm, over m, of the decoders of the units that change sides for a sample.
    """

    measured: float
    bound: float
    eps: float


class DescentBound(NamedTuple):
    """The squared error after a joint step, and what is proved of it, as shares of the squared error before it.

    Attributes
    ----------
    after, bound : float
    """

    after: float
    bound: float


def take_apart(W, A, X, *, regime, step):
    """A step of encoder-only (4.11) or joint descent (5.19), taken apart.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Weights before the step.
    X : array_like, shape (n, d)
    regime : str
        As for `wide_network.descend`.
    step : float
        The paper's eta.

    Returns
    -------
    Step
    """
    if regime not in REGIMES:
        raise ValueError(f"regime must be one of {', '.join(REGIMES)}; got {regime!r}")
    step = check_number("step", step, 0)
    W, A, X = (np.asarray(V, dtype=float) for V in (W, A, X))
    grad = gradients(W, A, X)
    dW = step * grad.W if regime != "decoder" else np.zeros_like(W)
    dA = step * grad.A if regime != "encoder" else np.zeros_like(A)
    (W1, A1), m, root = (W - dW, A - dA), W.shape[1], np.sqrt(W.size)
    Z, Z1 = X @ W, X @ W1
    active, flipped = Z >= 0, (Z >= 0) != (Z1 >= 0)
    E, H = X - outputs(W, A, X), np.maximum(Z, 0)
    pull = active * (X @ (X.T @ (active * (E @ A)))) if regime != "decoder" else np.zeros_like(Z)
    fit = E.T @ H if regime != "encoder" else np.zeros_like(A)
    return Step(
        E=E,
        change=outputs(W1, A1, X) - outputs(W, A, X),
        Ge=pull @ A.T / m,
        He=H @ fit.T / m,
        Ge_perp=(flipped * pull) @ A.T / m,
        He_perp=(flipped * H) @ fit.T / m,
        v2=((flipped * np.maximum(Z1, 0)) @ A1.T - (flipped * H) @ A.T) / root,
        v3=(active * ~flipped * (X @ dW)) @ dA.T / root,
        flipped=flipped,
        W=W1,
        A=A1,
    )


def terms(parts, step, *, factor=2.0):
    """Terms of the squared error after a step.

    Parameters
    ----------
    parts : Step
    step : float
    factor : float
        Of the cross terms C3 and C4: 2 makes the expansion right, and the paper prints 2 eta / d.

    Returns
    -------
    Terms
    """
    d, square = parts.E.shape[1], np.vdot(parts.E, parts.E)

    def with_errors(V):
        return np.vdot(parts.E, V) / square

    return Terms(
        C1=-2 * step / d * with_errors(parts.Ge + parts.He),
        C2=2 * step / d * with_errors(parts.Ge_perp + parts.He_perp),
        C3=-factor * with_errors(parts.v2),
        C4=-factor * with_errors(parts.v3),
        C5=np.vdot(parts.change, parts.change) / square,
    )


def encoder_bounds(X, *, step, radius):
    """What Claims B.1 to B.4 say of the terms of encoder-only training, as shares of the squared error.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.
    step : float
    radius : float
        The paper's R, which no column of W has left since the start.

    Returns
    -------
    Terms
        With n for the m that Claim B.3 prints; C5 is the claim's C4.
    """
    known = spectrum(X)
    n, flips = known.n, 8 * step * known.n * radius
    return Terms(-step * known.lambda_0 / known.d, flips, flips, 0.0, step**2 * n * known.lambda_n)


def claimed_bounds(W, A, X, *, step):
    """What Claims C.4 to C.8 print for the terms of joint training, as shares of the squared error.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Start of the descent.
    X : array_like, shape (n, d)
        Unit rows.
    step : float

    Returns
    -------
    Terms
        C3 bounds the printed term, which has the factor 2 eta / d in the place of 2.
    """
    known, m = spectrum(X), np.shape(W)[1]
    n, d, lambda_n = known.n, known.d, known.lambda_n
    return Terms(
        C1=-step * known.lambda_0 / d,
        C2=8 * step * lambda_n / d,
        C3=16 * step**2 * np.sqrt(n * lambda_n) / d,
        C4=8 * step**2 * np.sqrt(n) * lambda_n / d * float(np.linalg.norm(X - outputs(W, A, X))),
        C5=64 * step**2 * lambda_n**2 / (m * d),
    )


def provable_bounds(W, A, X, parts, step):
    """What the terms of a joint step are at most, for any weights.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Weights before the step.
    X : array_like, shape (n, d)
    parts : Step
        That step, taken apart.
    step : float

    Returns
    -------
    Terms
        Of the cross terms with the factor 2.
    """
    d, m = np.shape(W)
    md, lambda_n, error = m * d, np.linalg.norm(X, 2) ** 2, np.linalg.norm(parts.E)
    before, after = np.linalg.norm(A, 2), np.linalg.norm(parts.A, 2)
    seen, seen_after = (np.linalg.norm(np.maximum(X @ V, 0), 2) for V in (W, parts.W))
    eGe, eHe = (np.vdot(parts.E, V) / error**2 for V in (parts.Ge, parts.He))
    moved = step * lambda_n * before / md  # Frobenius norm of X dW over sqrt(m d), for each unit of error
    return Terms(
        C1=-2 * step / d * np.linalg.eigvalsh(kernel(W, A, X, "joint"))[0],
        C2=2 * (moved * before + step * moved * seen * error / np.sqrt(md) / d),
        C3=2 * moved * np.hypot(before, after),
        C4=2 * moved * step * seen * error / np.sqrt(md),
        C5=2 * (step / d) ** 2 * (seen_after**2 * eHe + lambda_n * before**2 * eGe) / m,
    )


def slope_gap(W, A, X, parts):
    r"""How far units that change sides take an encoder step from what the kernel says, and a bound on it.

    With the mean slope :math:`g_{ir}` of the ReLU in the place of the indicator of sample i,
    :math:`|e^T(G-\tilde G)e| \le a\,e^TGe + \epsilon\lambda_n\|e\|^2/(4a)` for every a > 0; this takes the best a.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Weights before the step.
    X : array_like, shape (n, d)
    parts : Step
        That step, taken apart.

    Returns
    -------
    SlopeGap
    """
    Z, Z1 = X @ W, X @ parts.W
    moved = Z1 - Z
    slopes = (np.maximum(Z1, 0) - np.maximum(Z, 0)) / np.where(moved == 0, 1, moved)
    back = parts.E @ A
    active, square = Z >= 0, np.vdot(parts.E, parts.E)
    gap = parts.flipped * (active - slopes)  # zero where no unit changes sides
    p, q = X.T @ (active * back), X.T @ (gap * back)
    m, eGe = np.shape(W)[1], np.vdot(parts.E, parts.Ge) / square
    eps = flipped_share(A, parts.flipped)
    bound = np.linalg.norm(X, 2) * np.sqrt(eps * eGe)
    return SlopeGap(float(abs(np.vdot(p, q)) / m / square), float(bound), eps)


def largest_step(W, A, X):
    r"""Step up to which `descent_bound` is proved.

    It is the smaller of :math:`d/8B`, :math:`B = \max(\lambda_n\|A\|^2/m, \|H\|)`, and
    :math:`\sqrt{md/\lambda_n}/8\|e\|`.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    float
    """
    (d, m), lambda_n = np.shape(A), np.linalg.norm(X, 2) ** 2
    steepness = max(lambda_n * np.linalg.norm(A, 2) ** 2 / m, np.linalg.norm(decoder_kernel(W, X), 2))
    error = np.linalg.norm(X - outputs(W, A, X))
    return float(min(d / steepness, np.sqrt(m * d / lambda_n) / error) / 8)


def descent_bound(A, X, parts, step):
    r"""Repair 5 for both layers: the squared error after a joint step, in place of Claims C.4 to C.8.

    For steps up to `largest_step` it falls to at most :math:`\|e\|^2 - \frac\eta d (e^T K e -
    2\lambda_n\epsilon\|e\|^2)`. If moreover :math:`\lambda_{\min}(K) \ge 5\lambda_0/8` and
    :math:`\lambda_n\epsilon \le \lambda_0/16`, it falls by the factor :math:`1 - \eta\lambda_0/2d`.

    Proof. The outputs change by :math:`(\eta/d)(\tilde G + H)e` and a product of two changes, whose inner product with
    e is at most :math:`\kappa\,(\eta/2d)\, e^T K e`, :math:`\kappa = \eta\sqrt{\lambda_n/md}\,\|e\| \le 1/8`. The
    flips cost :math:`(2\eta/d)(e^T G e/4 + \lambda_n\epsilon\|e\|^2)`, by `slope_gap` with :math:`a = 1/4`, and the
    squared change of the outputs is at most :math:`(\eta/d)^2\, 2B(1 + \kappa/2)^2\, e^T K e \le 0.29\,(\eta/d)\,
    e^T K e`. The sum leaves more than :math:`(\eta/d)\, e^T K e` of the gain :math:`(2\eta/d)\, e^T K e`.

    Parameters
    ----------
    A : array_like, shape (d, m)
        Decoder before the step.
    X : array_like, shape (n, d)
    parts : Step
        That step, a joint one, taken apart.
    step : float

    Returns
    -------
    DescentBound
    """
    square, lost = np.vdot(parts.E, parts.E), 2 * np.linalg.norm(X, 2) ** 2 * flipped_share(A, parts.flipped)
    gain = np.vdot(parts.E, parts.Ge + parts.He) / square - lost
    after = np.square(parts.E - parts.change).sum() / square
    return DescentBound(float(after), float(1 - step / len(A) * gain))
