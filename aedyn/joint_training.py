r"""Training the encoder, the decoder or both from the same random start (sections 4 and 5 of the joint-training paper).

What the theorems speak of, measured along a descent: the loss, how far weights move, how many units switch on or off,
and how far the kernels drift. Beside it what the paper says that these should be, as printed and as it can be proved.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, norm

from aedyn._checks import check_count, check_number
from aedyn.ntk_kernels import KernelOperator, decoder_kernel, encoder_kernel, largest_eigenvalue
from aedyn.ntk_limits import limit_kernels, spectrum
from aedyn.wide_network import REGIMES, descend, outputs

FORMED = 400  # kernels up to this size are formed


class Movement(NamedTuple):
    """Bounds on how far weights move in a descent; the norm of a matrix is Frobenius's.

    Attributes
    ----------
    unit : float
        Lemma 4.5: column of W with the longest way, encoder-only training.
    encoder : float
        Lemma 5.7: W, in joint training.
    decoder : float
        Lemma 5.7: A, in joint training, as defined there; its proof has a gap.
    decoder_printed : float
        Last line of that proof, which is smaller by the square root of d.
    decoder_corrected : float
        The same with the spectral norm of the activations, which is what the gradient has.
    path : float
        Way of W and A together, in any regime whose kernel stays above lambda_0 / 2, by gradient flow (`path_bound`);
        a descent of which each step gains half of what the gradient promises may need twice that.
    """

    unit: float
    encoder: float
    decoder: float
    decoder_printed: float
    decoder_corrected: float
    path: float


@dataclass(frozen=True, eq=False)
class Path:
    """A descent, and what was measured along it.

    Attributes
    ----------
    steps : ndarray of int, shape (n_watched,)
        Numbers of steps after which the weights were looked at.
    losses : ndarray, shape (n_iter + 1,)
        Loss after every step.
    unit_move : ndarray, shape (n_watched,)
        Largest distance of a column of W from where it started.
    W_move, A_move : ndarray, shape (n_watched,)
        Frobenius norms of the changes of W and of A.
    flips : ndarray, shape (n_watched, n)
        Share of the units that changed sides for each sample since the start.
    smallest : ndarray, shape (n_watched,)
        Smallest eigenvalue of the kernel of the regime.
    G_drift, H_drift : ndarray, shape (n_watched,)
        Spectral norms of the changes of G and of H since the start.
    """

    steps: np.ndarray
    losses: np.ndarray
    unit_move: np.ndarray
    W_move: np.ndarray
    A_move: np.ndarray
    flips: np.ndarray
    smallest: np.ndarray
    G_drift: np.ndarray
    H_drift: np.ndarray


# Steps and bounds -----------------------------------------------------------------------------------------------------


def theorem_step(spectrum, regime):
    """Step size of the theorems: before (4.13) for encoder-only training, after (5.20) for joint training.

    Parameters
    ----------
    spectrum : ntk_limits.Spectrum
    regime : str
        "encoder" or "joint".

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For the decoder alone, on which the paper has no theorem.
    """
    if regime not in ("encoder", "joint"):
        raise ValueError(f"regime must be encoder or joint; got {regime!r}")
    return spectrum.lambda_0 / (spectrum.lambda_n * spectrum.n * (4 * spectrum.d if regime == "encoder" else 64))


def practical_step(W, A, X, regime, share=0.25):
    """Step size as a share of the largest stable one, 2 d over the largest eigenvalue of the kernel at the start.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
    regime : str
        As for `wide_network.descend`.
    share : float

    Returns
    -------
    float
    """
    return 2 * check_number("share", share, 0) * len(W) / kernel_end(W, A, X, regime)


def kernel_end(W, A, X, regime):
    """Largest eigenvalue of the kernel of a regime: G, H or G + H.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
    regime : str
        As for `wide_network.descend`.

    Returns
    -------
    float
    """
    if regime == "decoder" or np.size(X) <= FORMED:
        return float(np.linalg.eigvalsh(kernel(W, A, X, regime))[-1])
    return largest_eigenvalue(KernelOperator(W, A, X, regime), tolerance=1e-3).value


def kernel(W, A, X, regime):
    """The kernel of a regime, formed; for the decoder without the identity of the output space.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
    regime : str
        As for `wide_network.descend`.

    Returns
    -------
    ndarray, shape (n d, n d) or, for the decoder, (n, n)
    """
    if regime not in REGIMES:
        raise ValueError(f"regime must be one of {', '.join(REGIMES)}; got {regime!r}")
    if regime == "decoder":
        return decoder_kernel(W, X)
    G = encoder_kernel(W, A, X)
    return G if regime == "encoder" else G + np.kron(decoder_kernel(W, X), np.eye(len(W)))


def movement_bounds(W, A, X):
    r"""How far the paper's lemmas let weights move from a start, and what can be proved instead.

    The radii :math:`R_w, R_a` that the paper adds to norms at the start are left out, which makes its bounds smaller.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Start.
    X : array_like, shape (n, d)
        Unit rows.

    Returns
    -------
    Movement
    """
    known, (d, m) = spectrum(X), np.shape(W)
    lambda_0, lambda_n = known.lambda_0, known.lambda_n
    error = np.linalg.norm(X - outputs(W, A, X))
    activations = np.linalg.norm(np.maximum(X @ W, 0), 2)
    common = 4 * error / (np.sqrt(m) * lambda_0)
    of_W = common * np.sqrt(lambda_n) * np.linalg.norm(W, 2)
    return Movement(
        unit=common * d * np.sqrt(lambda_n),
        encoder=common * np.sqrt(d * lambda_n) * np.linalg.norm(A, 2),
        decoder=np.sqrt(d) * of_W,
        decoder_printed=of_W,
        decoder_corrected=common * np.sqrt(d) * activations,
        path=path_bound(error, d, lambda_0),
    )


def path_bound(error, d, low):
    r"""Repair 3: length of the path of all trained weights under gradient flow, in place of Lemmas 4.3, 5.4 and 5.5.

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
    return float(np.sqrt(2 * d / check_number("low", low, 0, open_low=True)) * error)


def rate(step, spectrum):
    """Factor by which (4.9) and (5.15) let the loss fall in a step: 1 - eta lambda_0 / (2 d).

    Parameters
    ----------
    step : float
    spectrum : ntk_limits.Spectrum

    Returns
    -------
    float
    """
    return 1 - step * spectrum.lambda_0 / (2 * spectrum.d)


def limit_losses(X, regime, share, steps):
    r"""Mean loss in the limit of infinite width, where the kernel stays as it is.

    The errors at the start have the mean second moment :math:`XX^T + T` over samples, summed over the outputs, so that
    the mean loss after k steps is :math:`\frac12\mathrm{tr}[(I - \eta K/d)^{2k}(XX^T + T)]`.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Unit rows.
    regime : str
        As for `wide_network.descend`.
    share : float
        Of the largest stable step, as for `practical_step`.
    steps : array_like of int
        Numbers of steps.

    Returns
    -------
    ndarray
        As many losses as numbers of steps.
    """
    S, T = limit_kernels(X)
    values, modes = np.linalg.eigh({"encoder": S, "decoder": T, "joint": S + T}[regime])
    energies = np.einsum("ij,ik,kj->j", modes, X @ np.transpose(X) + T, modes)
    return 0.5 * (1 - 2 * share * values / values[-1]) ** (2 * np.asarray(steps)[:, None]) @ energies


class FlipTail(NamedTuple):
    """Logarithms of the probability that too many units can flip on a sample, and of what the paper says it is at most.

    Attributes
    ----------
    exact : float
        Of a binomial tail: more than 4 m R of the m units have their hyperplane within R of the sample.
    printed : float
        Of the bound exp(-m R).
    """

    exact: float
    printed: float


def flip_tail(m, radius):
    """Lemma A.4: chance that more than 4 m R units can flip on a sample when each moves by at most R.

    Parameters
    ----------
    m : int
    radius : float

    Returns
    -------
    FlipTail
    """
    m, radius = check_count("m", m), check_number("radius", radius, 0)
    return FlipTail(float(binom.logsf(np.floor(4 * m * radius), m, 2 * norm.cdf(radius) - 1)), -m * radius)


# Along a descent ------------------------------------------------------------------------------------------------------


def follow(W, A, X, *, regime, step, steps):
    """Descend, and measure movement, flips and kernels after some of the steps.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Start.
    X : array_like, shape (n, d)
        Unit rows.
    regime : str
        As for `wide_network.descend`.
    step : float
    steps : sequence of int
        Numbers of steps after which to look; the last ends the descent.

    Returns
    -------
    Path
    """
    steps = np.unique(steps)
    W, A, looks = np.asarray(W), np.asarray(A), set(steps.tolist())
    active, G, H = X @ W >= 0, encoder_kernel(W, A, X), decoder_kernel(W, X)

    def look(k, W_now, A_now):
        if k not in looks:
            return None
        G_now, H_now = encoder_kernel(W_now, A_now, X), decoder_kernel(W_now, X)
        K = {"encoder": G_now, "decoder": H_now, "joint": G_now + np.kron(H_now, np.eye(len(W)))}[regime]
        dW = W_now - W
        return (
            np.linalg.norm(dW, axis=0).max(),
            np.linalg.norm(dW),
            np.linalg.norm(A_now - A),
            np.mean((X @ W_now >= 0) != active, axis=1),
            np.linalg.eigvalsh(K)[0],
            np.linalg.norm(G_now - G, 2),
            np.linalg.norm(H_now - H, 2),
        )

    run = descend(W, A, X, regime=regime, step=step, n_steps=int(steps[-1]), watch=look)
    return Path(steps[: len(run.watched)], run.losses, *map(np.array, zip(*run.watched, strict=True)))


def path_length(W, A, X, *, regime, step, n_steps):
    """Length of the path of all weights that move, summed over the steps of a descent.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
        Start.
    X : array_like, shape (n, d)
    regime : str
        As for `wide_network.descend`.
    step : float
    n_steps : int

    Returns
    -------
    float
    """
    places = [np.stack([W, A])]

    def measure(k, W, A):
        places.append(np.stack([W, A]))
        return float(np.linalg.norm(places[-1] - places.pop(0)))

    return sum(descend(W, A, X, regime=regime, step=step, n_steps=n_steps, watch=measure).watched)
