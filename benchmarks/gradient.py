"""One approximate-gradient step, against the same in NumPy and in PyTorch (by hand and by autograd)."""

import numpy as np
import torch
from harness import compare, machine_bounds

from aedyn import autoencoder, dictionaries, generative
from aedyn.activations import HardThreshold

CASES = ((784, 10, 1, 10_000), (256, 512, 5, 50_000))


def by_hand(Y, W, lam, where):
    """The gradient from residuals, for arrays of NumPy or PyTorch."""
    Z = Y @ W
    X = where(abs(Z) >= lam, Z, 0.0)
    R = Y - X @ W.T
    C = where(X != 0, R @ W, 0.0)
    return -(R.T @ X + Y.T @ C) / len(Y)


def by_autograd(Y, W, lam):
    W = W.clone().requires_grad_()
    Z = Y @ W
    X = torch.where(abs(Z) >= lam, Z, 0.0)
    (0.5 * (Y - X @ W.T).square().sum() / len(Y)).backward()
    return W.grad


def run_case(n, m, k, n_samples, flops, read):
    A = dictionaries.random_dictionary(n, m, 0)
    Y = generative.NonnegativeSparse(A, 0.02, k=k, a1=1, a2=2 if k > 1 else 1).sample(n_samples, 1).Y
    W = dictionaries.perturb(A, 0.2, 2)
    lam = 0.8 if k > 1 else 0.5
    tY, tW = torch.from_numpy(Y), torch.from_numpy(W)
    ours = autoencoder.gradient(W, 0.0, Y, HardThreshold(lam))
    for other in (by_hand(Y, W, lam, np.where), by_autograd(tY, tW, lam).numpy()):
        assert np.allclose(ours.weights, other, rtol=1e-9, atol=1e-12)
    active = ours.activity.sum()
    compute = n_samples * 2 * n * (m + active) / flops
    print(f"\nn = {n}, m = {m}, N = {n_samples}: {active:.1f} active units a sample")
    print(f"  bounds: {1e3 * compute:.1f} ms for the flops, {1e3 * Y.nbytes / read:.1f} ms to read the data once")
    compare(
        "  one gradient step",
        {
            "aedyn": lambda: autoencoder.gradient(W, 0.0, Y, HardThreshold(lam)),
            "NumPy": lambda: by_hand(Y, W, lam, np.where),
            "PyTorch, by hand": lambda: by_hand(tY, tW, lam, torch.where),
            "PyTorch, autograd": lambda: by_autograd(tY, tW, lam),
        },
        unit="samples",
        work=n_samples,
    )


if __name__ == "__main__":
    flops, read = machine_bounds()
    for case in CASES:
        run_case(*case, flops, read)
