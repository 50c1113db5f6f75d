"""Training: normalised gradient descent, Adam, bias schedules, and what a run remembers."""

import warnings
from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from aedyn import autoencoder
from aedyn._checks import check_count, check_matrix, check_number
from aedyn.dictionaries import normalize


@dataclass(frozen=True, eq=False)
class History:
    """What a run remembers.

    Attributes
    ----------
    weights : ndarray, shape (n, m)
        Weights at the end; the last finite ones when the run diverged.
    losses : ndarray, shape (n_steps,)
        Loss before each step: of all samples for `normalized_descent`, of the mini-batch for `adam`.
    activity : ndarray, shape (n_steps, m)
        Share of samples on which each unit was active, before each step.
    status : str
        ``"finished"``, or ``"diverged"`` when the loss or a step stopped being finite.
    """

    weights: np.ndarray
    losses: np.ndarray
    activity: np.ndarray
    status: str


def constant_bias(b):
    """Schedule with the same bias at every step."""
    return lambda step: b


def shrinking_bias(b, factor=2.0):
    """Schedule that divides the bias by `factor` after each step (Theorem 4, i.2 and iii.2)."""
    check_number("factor", factor, 1)
    return lambda step: b / factor**step


def normalized_descent(W, bias, Y, activation, *, step_size, n_steps, progress=False):
    r"""Gradient descent on all samples with columns scaled to norm 1 after each step.

    :math:`W^{s+1} = \mathrm{normalize}(W^s - \zeta g^s)` with the gradient of `autoencoder.gradient` (Theorem 4 of the
    dynamics paper).

    Parameters
    ----------
    W : array_like, shape (n, m)
        Start; its columns are normalised first.
    bias : callable
        Schedule: the bias at a step, for instance `constant_bias` or `shrinking_bias`.
    Y : array_like, shape (n_samples, n)
    activation : ReLU or HardThreshold
    step_size : float
        The paper's zeta.
    n_steps : int
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    History
    """
    step_size = check_number("step_size", step_size, 0)

    def steps(W):
        for step in tqdm(range(check_count("n_steps", n_steps)), disable=not progress, desc="descent"):
            gradient = autoencoder.gradient(W, bias(step), Y, activation)
            W = _step(W, step_size * gradient.weights)
            yield gradient, W

    return _run(normalize(W), steps)


def adam(W, b, Y, activation, *, rng, rate=1e-3, batch_size=256, n_epochs=1, beta1=0.9, beta2=0.999, progress=False):
    """Adam on mini-batches with columns scaled to norm 1 after each step.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Start; its columns are normalised first.
    b : float or array_like, shape (m,)
        Bias, kept fixed.
    Y : array_like, shape (n_samples, n)
    activation : ReLU or HardThreshold
    rng : int or numpy.random.Generator
        Shuffles the samples in each epoch.
    rate : float
        Learning rate.
    batch_size : int
        The last batch of an epoch is smaller when the number of samples is no multiple of it.
    n_epochs : int
    beta1, beta2 : float
        Decay of the averages of the gradient and of its square (Kingma and Ba 2015).
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    History
    """
    Y = check_matrix("Y", Y)
    rng = np.random.default_rng(rng)
    batch_size = check_count("batch_size", batch_size)
    starts = range(0, len(Y), batch_size)
    n_epochs = check_count("n_epochs", n_epochs)

    def steps(W):
        mean, square = np.zeros_like(W), np.zeros_like(W)
        bar = tqdm(total=n_epochs * len(starts), disable=not progress, desc="Adam")
        for epoch in range(n_epochs):
            order = rng.permutation(len(Y))
            for batch, start in enumerate(starts):
                gradient = autoencoder.gradient(W, b, Y[order[start : start + batch_size]], activation)
                mean += (1 - beta1) * (gradient.weights - mean)
                square += (1 - beta2) * (gradient.weights**2 - square)
                step = epoch * len(starts) + batch + 1
                corrected = mean / (1 - beta1**step)
                W = _step(W, rate * corrected / (np.sqrt(square / (1 - beta2**step)) + 1e-8))
                bar.update()
                yield gradient, W
        bar.close()

    return _run(normalize(W), steps)


def _step(W, change):
    """W minus `change`, with columns scaled to norm 1."""
    W = W - change
    if not np.isfinite(np.linalg.norm(W)):
        raise FloatingPointError("the step is not finite, or too large")
    return normalize(W)


def _run(W, steps):
    """Follow the steps from W and remember what they report, until the end or until one is not finite."""
    losses, activity, status = [], [], "finished"
    try:
        for gradient, after in steps(W):
            losses.append(gradient.loss)
            activity.append(gradient.activity)
            W = after
    except FloatingPointError as error:
        status = "diverged"
        warnings.warn(f"the run diverged after {len(losses)} steps: {error}", RuntimeWarning, stacklevel=3)
    return History(W, np.array(losses), np.reshape(activity, (len(losses), W.shape[1])), status)
