"""Training: gradient descent on a batch or on fresh samples, Adam, bias schedules, and what a run remembers."""

import warnings
from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import numpy as np
from numba import njit
from tqdm import tqdm

from aedyn import autoencoder
from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import map_in_threads, one_blas_thread
from aedyn.dictionaries import normalize
from aedyn.generative import split_stream

BLOCK_SIZE = 1024  # fresh samples in memory at a time, for each thread
LONGEST_CYCLE = 8
STILL = 1e-8  # a step that moves no entry of the weights by more has converged
CLOSED = 1e-3  # a cycle has closed when the weights came back up to this share of their last move


@dataclass(frozen=True, eq=False)
class History:
    """What a run remembers.

    Attributes
    ----------
    weights : ndarray, shape (n, m)
        Weights at the end; the last finite ones when the run diverged.
    losses : ndarray, shape (n_iter,)
        Loss before each step: of all samples for `normalized_descent`, of the fresh samples for `streamed_descent`, of
        the mini-batch for `adam`.
    activity : ndarray, shape (n_iter, m)
        Share of samples on which each unit was active, before each step.
    status : str
        ``"converged"`` when the last step did not move the weights, ``"cycling"`` when the last steps led back to where
        they came from, ``"diverged"`` when the loss or a step stopped being finite, and ``"finished"`` otherwise.
    watched : list
        What `watch` said of the start and of the weights after each step; empty without it.
    """

    weights: np.ndarray
    losses: np.ndarray
    activity: np.ndarray
    status: str
    watched: list

    @property
    def n_iter(self):
        """Number of steps taken."""
        return len(self.losses)

    @property
    def converged(self):
        """Whether the last step did not move the weights."""
        return self.status == "converged"


@dataclass(eq=False)
class AdamState:
    """What Adam remembers between steps (Kingma and Ba 2015).

    Attributes
    ----------
    mean, square : ndarray, shape (n, m)
        Running means of the gradient and of its square, pulled towards zero, where they start.
    n_steps : int
        Number of steps taken.
    """

    mean: np.ndarray
    square: np.ndarray
    n_steps: int = 0

    @classmethod
    def at(cls, W):
        """State before the first step from `W`.

        Parameters
        ----------
        W : ndarray, shape (n, m)

        Returns
        -------
        AdamState
        """
        return cls(np.zeros_like(W), np.zeros_like(W))

    def change(self, gradient, rate, beta1=0.9, beta2=0.999):
        """What the next step takes off the weights; the state becomes that after it.

        Parameters
        ----------
        gradient : ndarray, shape (n, m)
        rate : float
            Learning rate.
        beta1, beta2 : float
            Decay of the running means of the gradient and of its square.

        Returns
        -------
        ndarray, shape (n, m)
        """
        self.n_steps += 1
        change = np.empty_like(self.mean)
        _adam_change(gradient, self.mean, self.square, rate, beta1, beta2, self.n_steps, change)
        return change


def constant_bias(b):
    """Schedule with the same bias at every step."""
    return lambda step: b


def shrinking_bias(b, factor=2.0):
    """Schedule that divides the bias by `factor` after each step (Theorem 4, i.2 and iii.2).

    The rule in the paper's proof, a bias that shrinks like the error, is `factor` = 1 / sqrt(1 - tau).
    """
    check_number("factor", factor, 1)
    return lambda step: b / factor**step


def normalized_descent(W, bias, Y, activation, *, step_size, n_steps, normalized=True, watch=None, progress=False):
    r"""Gradient descent on all samples with columns scaled to norm 1 after each step.

    :math:`W^{s+1} = \mathrm{normalize}(W^s - \zeta g^s)` with the gradient of `autoencoder.gradient` (Theorem 4 of the
    dynamics paper).

    Parameters
    ----------
    W : array_like, shape (n, m)
        Start.
    bias : callable
        Schedule: the bias at a step, for instance `constant_bias` or `shrinking_bias`.
    Y : array_like, shape (n_samples, n)
    activation : ReLU, HardThreshold or GroupShrinkage
    step_size : float
        The paper's zeta.
    n_steps : int
    normalized : bool
        Whether columns are scaled to norm 1, at the start and after each step; raw steps otherwise.
    watch : callable, optional
        Given the weights at the start and after each step; what it returns is kept in the history.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    History
    """

    def gradient_at(W, b):
        return autoencoder.gradient(W, b, Y, activation)

    return _run(*_descent(gradient_at, W, bias, step_size, n_steps, normalized, progress), watch)


def streamed_descent(
    model, W, bias, activation, *, step_size, n_steps, n_samples, rng, normalized=True, watch=None, progress=False
):
    """Gradient descent with fresh samples in each step, which are drawn in blocks, used and forgotten.

    Theorem 4 of the dynamics paper asks for infinitely many fresh samples in each step; this is the same with many.

    Parameters
    ----------
    model : BilinearModel
        What draws the samples.
    W : array_like, shape (n, m)
        Start.
    bias : callable
        Schedule: the bias at a step.
    activation : ReLU, HardThreshold or GroupShrinkage
    step_size : float
        The paper's zeta.
    n_steps : int
    n_samples : int
        Fresh samples in a step; of these only a block for each thread is in memory at a time.
    rng : int or numpy.random.Generator
    normalized : bool
        Whether columns are scaled to norm 1, at the start and after each step; raw steps otherwise.
    watch : callable, optional
        Given the weights at the start and after each step; what it returns is kept in the history.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    History
    """
    rng = np.random.default_rng(rng)

    def gradient_at(W, b):
        def share_of_block(block):
            gradient = autoencoder.gradient(W, b, model.sample(*block).Y, activation)
            return [block[0] / n_samples * part for part in gradient]

        blocks = split_stream(n_samples, rng, BLOCK_SIZE)
        return autoencoder.Gradient(*map(sum, zip(*map_in_threads(share_of_block, blocks), strict=True)))

    return _run(*_descent(gradient_at, W, bias, step_size, n_steps, normalized, progress), watch)


def _descent(gradient_at, W, bias, step_size, n_steps, normalized, progress):
    """Start and steps of a descent along the gradients of `gradient_at`, for `_run`."""
    step_size, n_steps = check_number("step_size", step_size, 0), check_count("n_steps", n_steps)
    project = normalize if normalized else partial(check_matrix, "W")

    def steps(W):
        for step in tqdm(range(n_steps), disable=not progress, desc="descent"):
            gradient = gradient_at(W, bias(step))
            W = _step(W, step_size * gradient.weights, project)
            yield gradient, W

    return project(W), steps


def adam(
    W, b, Y, activation, *, rng=None, rate=1e-3, batch_size=256, n_epochs=1, beta1=0.9, beta2=0.999, rank_one=1.0,
    normalized=True, watch=None, progress=False,
):  # fmt: skip
    """Adam on mini-batches or on all samples, by default with columns scaled to norm 1 after each step.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Start, taken to the precision of `Y`.
    b : float or array_like, shape (m,)
        Bias, kept fixed.
    Y : array_like, shape (n_samples, n)
    activation : ReLU, HardThreshold or GroupShrinkage
    rng : int or numpy.random.Generator, optional
        Shuffles the samples in each epoch; needed when there are batches.
    rate : float
        Learning rate.
    batch_size : int or None
        The last batch of an epoch is smaller when the number of samples is no multiple of it. None for all samples in
        each step, as they are.
    n_epochs : int
    beta1, beta2 : float
        Decay of the averages of the gradient and of its square (Kingma and Ba 2015).
    rank_one : float
        As for `autoencoder.gradient`.
    normalized : bool
        Whether columns are scaled to norm 1, at the start and after each step; raw steps otherwise.
    watch : callable, optional
        Given the weights at the start and after each step; what it returns is kept in the history.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    History
    """
    Y = check_matrix("Y", Y)
    project = normalize if normalized else partial(check_matrix, "W")
    n_epochs = check_count("n_epochs", n_epochs)
    batches, n_steps = _batches(Y, batch_size, rng, n_epochs)

    def steps(W):
        state = AdamState.at(W)
        for batch in tqdm(batches, total=n_steps, disable=not progress, desc="Adam"):
            gradient = autoencoder.gradient(W, b, batch, activation, rank_one=rank_one)
            W = _step(W, state.change(gradient.weights, rate, beta1, beta2), project)
            yield gradient, W

    return _run(project(W).astype(Y.dtype), steps, watch)


def _batches(Y, batch_size, rng, n_epochs):
    """Batches of all epochs, and their number."""
    if batch_size is None:
        return repeat(Y, n_epochs), n_epochs
    if rng is None:
        raise ValueError("give rng, which shuffles the samples, or batch_size=None, for all of them in each step")
    rng, batch_size = np.random.default_rng(rng), check_count("batch_size", batch_size)
    starts = range(0, len(Y), batch_size)

    def shuffled():
        for _ in range(n_epochs):
            order = rng.permutation(len(Y))
            yield from (Y[order[start : start + batch_size]] for start in starts)

    return shuffled(), n_epochs * len(starts)


def _step(W, change, project=normalize):
    """W minus `change`, with columns scaled to norm 1 or whatever else `project` does."""
    W = W - change
    if not np.isfinite(np.linalg.norm(W)):
        raise FloatingPointError("the step is not finite, or too large")
    return project(W)


@one_blas_thread()  # threads that wait for the next product would keep those of the gradient from working
def _run(W, steps, watch=None):
    """Follow the steps from W and remember what they report, until the end or until one is not finite."""
    losses, activity, recent = [], [], deque([W], maxlen=LONGEST_CYCLE + 1)
    watched = [watch(W)] if watch else []
    try:
        for gradient, after in steps(W):
            losses.append(gradient.loss)
            activity.append(gradient.activity)
            recent.append(after)
            if watch:
                watched.append(watch(after))
        status = _status(recent)
    except FloatingPointError as error:
        status = "diverged"
        warnings.warn(f"the run diverged after {len(losses)} steps: {error}", RuntimeWarning, stacklevel=4)
    return History(recent[-1], np.array(losses), np.reshape(activity, (len(losses), W.shape[1])), status, watched)


def _status(recent):
    """How the last weights moved: "converged", "cycling" or "finished"."""
    moves = [np.abs(recent[-1] - before).max() for before in reversed(recent)][1:]
    if moves[0] <= STILL:
        return "converged"
    return "cycling" if min(moves) <= CLOSED * moves[0] else "finished"


@njit(cache=True, error_model="numpy")  # a check for zero at each division would keep it from using vectors
def _adam_change(gradient, mean, square, rate, beta1, beta2, step, change):
    """Update the running means of the gradient and of its square, and write what Adam takes off the weights."""
    real = mean.dtype.type  # numbers of the arrays' precision: single precision is four times as fast
    size, weight, tiny = real(rate / (1 - beta1**step)), real(1 / (1 - beta2**step)), real(1e-8)
    new1, new2 = real(1 - beta1), real(1 - beta2)
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            g = gradient[i, j]
            mean[i, j] += new1 * (g - mean[i, j])
            square[i, j] += new2 * (g * g - square[i, j])
            change[i, j] = size * mean[i, j] / (np.sqrt(weight * square[i, j]) + tiny)
