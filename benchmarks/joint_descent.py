"""Joint gradient descent on the wide network, against PyTorch's autograd and SGD; both are dense products."""

import numpy as np
import torch
from harness import compare, product_peak

from aedyn.wide_network import descend, draw_weights

N_SAMPLES, D, M = 200, 50, 4096
N_STEPS, STEP = 1000, 0.5


def load(dtype):
    """Unit samples and a random start."""
    X = np.random.default_rng(1).standard_normal((N_SAMPLES, D))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return [array.astype(dtype) for array in (*draw_weights(D, M, 0), X)]


def ours(W, A, X):
    """Losses before each step."""
    return descend(W, A, X, regime="joint", step=STEP, n_steps=N_STEPS).losses[:-1]


def by_autograd(W, A, X):
    """Losses before each step."""
    X, (W, A) = torch.from_numpy(X), (torch.from_numpy(V).clone().requires_grad_() for V in (W, A))
    optimizer = torch.optim.SGD([W, A], lr=STEP)
    losses = torch.empty(N_STEPS, dtype=X.dtype)
    for k in range(N_STEPS):
        optimizer.zero_grad()
        U = (X @ W).relu() @ A.T / W.numel() ** 0.5
        loss = (X - U).square().sum() / 2
        loss.backward()
        optimizer.step()
        losses[k] = loss.detach()
    return losses.numpy()


def run_case(dtype):
    arrays = load(dtype)
    losses = ours(*arrays)
    assert losses[-1] < 0.01 * losses[0]
    assert np.allclose(losses, by_autograd(*arrays), rtol={"float32": 1e-3, "float64": 1e-9}[dtype])
    medians = compare(
        f"{dtype}, {N_STEPS} joint steps: n = {N_SAMPLES}, d = {D}, m = {M}",
        {"aedyn": lambda: ours(*arrays), "PyTorch, autograd": lambda: by_autograd(*arrays)},
        unit="steps",
        work=N_STEPS,
        rounds=5,
    )
    flops, peak = N_STEPS * 5 * 2 * N_SAMPLES * D * M, product_peak(dtype)
    print(
        f"  share of the {peak / 1e9:.0f} Gflop/s of large products, counting the five products alone: "
        + ", ".join(f"{name} {flops / median / peak:.0%}" for name, median in medians.items())
    )


if __name__ == "__main__":
    for dtype in ("float64", "float32"):
        run_case(dtype)
