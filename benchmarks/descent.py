"""The nine runs of the paper's figure, and descent on fresh samples, against the same in NumPy and in PyTorch."""

import tracemalloc
from itertools import cycle

import numpy as np
import torch
from harness import compare, machine_bounds

from aedyn.activations import ReLU
from aedyn.dictionaries import normalize, random_dictionary
from aedyn.generative import MixtureOfGaussians
from aedyn.optimizers import constant_bias, normalized_descent, shrinking_bias, streamed_descent

N, M, N_SAMPLES, N_STEPS = 784, 10, 10_000, 50
BIAS, STEP_SIZE = -1.25, M
N_FRESH = 50_000


def step_by_hand(Y, W, b):
    """Loss and gradient from residuals, for arrays of NumPy or PyTorch."""
    X = (Y @ W + b).clip(0)
    R = Y - X @ W.T
    C = (R @ W) * (X > 0)
    return (R * R).sum() / (2 * len(Y)), -(R.T @ X + Y.T @ C) / len(Y)


def step_by_autograd(Y, W, b):
    W = W.clone().requires_grad_()
    value = (Y - torch.relu(Y @ W + b) @ W.T).square().sum() / (2 * len(Y))
    value.backward()
    return value.detach(), W.grad


def descend(step, Y, W, n_steps=N_STEPS):
    """Losses along one run, its weights at the end, for arrays of NumPy or PyTorch."""
    losses = []
    W = W / (W * W).sum(0) ** 0.5
    for s in range(n_steps):
        value, gradient = step(Y, W, BIAS / 2**s)
        losses.append(float(value))
        W = W - STEP_SIZE * gradient
        W = W / (W * W).sum(0) ** 0.5
    return losses, W


def ours(Y, W):
    return normalized_descent(W, shrinking_bias(BIAS), Y, ReLU(), step_size=STEP_SIZE, n_steps=N_STEPS)


def figure_runs():
    """Data and start of the nine runs: three noise levels, and a perturbed, a PCA and a random start for each."""
    runs = []
    for sigma in (0.01, 0.02, 0.03):
        rng = np.random.default_rng(0)
        A, E = rng.standard_normal((2, N, M)) / np.sqrt(N)
        Y = A.T[rng.integers(M, size=N_SAMPLES)] + sigma * rng.standard_normal((N_SAMPLES, N))
        values, vectors = np.linalg.eigh(Y.T @ Y)
        starts = A + 0.5 * E, vectors[:, -M:] * np.sign(vectors[:, -M:].sum(axis=0)), rng.standard_normal((N, M))
        runs += [(Y, W) for W in starts]
    return runs


def peak(run, Y):
    """Largest memory while it runs, data included, in units of the data."""
    tracemalloc.start()
    run()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (Y.nbytes + most) / Y.nbytes


def run_figure(read):
    runs = figure_runs()
    in_torch = [(torch.from_numpy(Y), torch.from_numpy(np.ascontiguousarray(W))) for Y, W in runs]
    Y, W = runs[0]
    losses = ours(Y, W).losses
    for step, arrays in ((step_by_hand, runs[0]), (step_by_hand, in_torch[0]), (step_by_autograd, in_torch[0])):
        assert np.allclose(descend(step, *arrays, n_steps=5)[0], losses[:5], rtol=1e-8)

    def next_run(of, do):
        left = cycle(of)
        return lambda: do(*next(left))

    medians = compare(
        f"each of the nine runs of the figure once: n = {N}, m = {M}, N = {N_SAMPLES}, {N_STEPS} steps",
        {
            "aedyn": next_run(runs, ours),
            "NumPy": next_run(runs, lambda *run: descend(step_by_hand, *run)),
            "PyTorch, by hand": next_run(in_torch, lambda *run: descend(step_by_hand, *run)),
            "PyTorch, autograd": next_run(in_torch, lambda *run: descend(step_by_autograd, *run)),
        },
        unit="steps",
        work=N_STEPS,
        rounds=len(runs),
    )
    rate = N_STEPS * Y.nbytes / medians["aedyn"]
    print(f"  each step reads the data once: {rate / 1e9:.1f} GB/s, {rate / read:.0%} of what the memory gives")
    print(f"  peak memory: {peak(lambda: ours(Y, W), Y):.2f} x the data, "
          f"NumPy {peak(lambda: descend(step_by_hand, Y, W, 2), Y):.2f} x")  # fmt: skip


def run_stream():
    model = MixtureOfGaussians(random_dictionary(N, M, 0), 0.02)
    start = normalize(model.A + 0.3 * random_dictionary(N, M, 1))

    def fresh():
        return streamed_descent(
            model, start, constant_bias(-0.5), ReLU(), step_size=M, n_steps=2, n_samples=N_FRESH, rng=2
        ).weights

    def in_numpy():
        rng, W = np.random.default_rng(2), start
        for _ in range(2):
            Y = model.A.T[rng.integers(M, size=N_FRESH)] + model.sigma_eta * rng.standard_normal((N_FRESH, N))
            W = normalize(W - M * step_by_hand(Y, W, -0.5)[1])
        return W

    assert np.allclose(fresh(), in_numpy(), atol=0.01)
    compare(
        f"two steps on {N_FRESH} fresh samples each, n = {N}, m = {M}",
        {"aedyn": fresh, "NumPy, then descend": in_numpy},
        unit="samples",
        work=2 * N_FRESH,
    )
    data = np.empty((N_FRESH, N))
    print(f"  memory beside the weights: {peak(fresh, data) - 1:.2f} x the samples of a step, "
          f"NumPy {peak(in_numpy, data) - 1:.2f} x")  # fmt: skip


if __name__ == "__main__":
    _, read = machine_bounds()
    run_figure(read)
    run_stream()
