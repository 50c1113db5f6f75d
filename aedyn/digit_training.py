"""Training of an unfolded autoencoder on images: Adam on mini-batches, and runs that can be killed and resumed."""

import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import numpy as np
from tqdm import tqdm

from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import one_blas_thread
from aedyn.dictionaries import normalize
from aedyn.optimizers import AdamState
from aedyn.unfolded import gradient


@dataclass(frozen=True, eq=False)
class Training:
    """What a run leaves.

    Attributes
    ----------
    weights : ndarray, shape (n, m)
        Weights at the end, with columns of norm 1; the last finite ones when the run diverged.
    losses : ndarray, shape (n_epochs,)
        Mean over the samples of the loss before the step that used them, for each complete epoch.
    active_groups : ndarray, shape (n_epochs,)
        The same for the number of active groups of a code.
    status : str
        ``"finished"``, or ``"diverged"`` when a loss or a step stopped being finite.
    watched : ndarray, shape (n_epochs + 1, ...)
        What `watch` said of the start and of the weights after each epoch; without it (0,).
    """

    weights: np.ndarray
    losses: np.ndarray
    active_groups: np.ndarray
    status: str
    watched: np.ndarray


def train(W, Y, network, *, seed, n_epochs, batch_size=256, rate=1e-3, checkpoint=None, progress=False, watch=None):
    """Adam on mini-batches, with columns scaled to norm 1 at the start and after each step.

    Parameters
    ----------
    W : array_like, shape (n, m)
        Start, taken to the precision of `Y`.
    Y : array_like, shape (n_samples, n)
        Samples.
    network : Unfolded
    seed : int
        Shuffles the samples; the order in an epoch depends on it and on the number of the epoch alone.
    n_epochs : int
        Number of epochs in all, those before a resumption included.
    batch_size : int
        The last batch of an epoch is smaller when the number of samples is no multiple of it.
    rate : float
        Learning rate.
    checkpoint : path-like, optional
        File that is written after each epoch, whole or not at all. When it is there at the start, the run continues
        from it to the same bits as one that was never interrupted; `n_epochs` may be larger than it was.
    progress : bool
        Whether to show a progress bar.
    watch : callable, optional
        Given the weights at the start and after each epoch, returns a number or an array of numbers, always of the
        same shape.

    Returns
    -------
    Training

    Raises
    ------
    ValueError
        When the checkpoint is of a run with other inputs, or of more epochs.
    """
    Y = check_matrix("Y", Y)
    batch_size, n_epochs = check_count("batch_size", batch_size), check_count("n_epochs", n_epochs)
    rate = check_number("rate", rate, 0, open_low=True)
    run = _Run.start(normalize(W).astype(Y.dtype, copy=False), watch)
    if checkpoint:
        checkpoint = Path(checkpoint)
        inputs = joblib.hash([run.weights, Y, asdict(network), seed, batch_size, rate, watch is not None])
        if checkpoint.exists():
            run = _Run.load(checkpoint, inputs, n_epochs)
    status = "finished"
    with one_blas_thread():
        for epoch in tqdm(range(len(run.losses), n_epochs), disable=not progress, desc="epochs"):
            order = np.random.default_rng([seed, epoch]).permutation(len(Y))
            try:
                run.advance((Y[order[k : k + batch_size]] for k in range(0, len(Y), batch_size)), network, rate)
            except FloatingPointError as error:
                status = "diverged"
                warnings.warn(f"the run diverged in epoch {epoch + 1}: {error}", RuntimeWarning, stacklevel=2)
                break
            if watch:
                run.watched.append(watch(run.weights))
            if checkpoint:
                run.save(checkpoint, inputs)
    return Training(run.weights, np.array(run.losses), np.array(run.active_groups), status, np.array(run.watched))


@dataclass(eq=False)
class _Run:
    """A run between two epochs."""

    weights: np.ndarray
    adam: AdamState
    losses: list
    active_groups: list
    watched: list

    @classmethod
    def start(cls, W, watch):
        return cls(W, AdamState.at(W), [], [], [watch(W)] if watch else [])

    def advance(self, batches, network, rate):
        """One epoch."""
        sums, n_samples = np.zeros(2), 0
        for batch in batches:
            weights, loss, active_groups = gradient(self.weights, batch, network)
            after = self.weights - self.adam.change(weights, rate)
            if not np.isfinite(np.linalg.norm(after)):
                raise FloatingPointError("the step is not finite, or too large")
            self.weights = normalize(after)
            sums += len(batch) * np.array([loss, active_groups])
            n_samples += len(batch)
        self.losses.append(sums[0] / n_samples)
        self.active_groups.append(sums[1] / n_samples)

    def save(self, path, inputs):
        """Write the run, and what tells its inputs from others, to a file that takes the name when it is whole."""
        arrays = dict(weights=self.weights, losses=self.losses, active_groups=self.active_groups, watched=self.watched)
        with open(part := f"{path}.part", "wb") as file:
            np.savez(file, inputs=inputs, **arrays, **vars(self.adam))
        os.replace(part, path)

    @classmethod
    def load(cls, path, inputs, n_epochs):
        with np.load(path) as file:
            stored = dict(file)
        if stored["inputs"] != inputs:
            raise ValueError(f"{path} is the checkpoint of a run with other inputs; name another file, or remove it")
        losses, active_groups, watched = (list(stored[name]) for name in ("losses", "active_groups", "watched"))
        if len(losses) > n_epochs:
            raise ValueError(f"{path} is the checkpoint of a run of {len(losses)} epochs; got n_epochs = {n_epochs}")
        adam = AdamState(stored["mean"], stored["square"], int(stored["n_steps"]))
        return cls(stored["weights"], adam, losses, active_groups, watched)
