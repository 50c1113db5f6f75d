"""Support recovery by Monte Carlo at n = 784, m = 1000, k = 10, against the same in NumPy and in PyTorch."""

import numpy as np
import torch
from harness import compare, machine_bounds

from aedyn import code_consistency, dictionaries, generative
from aedyn.activations import HardThreshold

N, M, K, LAM, N_SAMPLES = 784, 1000, 10, 0.5, 8192


def in_numpy(A, W, sigma):
    rng = np.random.default_rng(3)
    support = rng.random((N_SAMPLES, M)).argpartition(K, axis=1)[:, :K]
    codes = np.zeros((N_SAMPLES, M))
    np.put_along_axis(codes, support, 1.0, axis=1)
    Y = codes @ A.T
    if sigma:
        Y += sigma * rng.standard_normal(Y.shape)
    found = np.abs(Y @ W) >= LAM
    return (found == (codes != 0)).all(axis=1).mean()


def in_torch(A, W, sigma):
    generator = torch.Generator().manual_seed(3)
    support = torch.rand(N_SAMPLES, M, generator=generator).topk(K, dim=1).indices
    codes = torch.zeros(N_SAMPLES, M, dtype=A.dtype).scatter_(1, support, 1.0)
    Y = codes @ A.T
    if sigma:
        Y += sigma * torch.randn(Y.shape, generator=generator, dtype=A.dtype)
    found = (Y @ W).abs() >= LAM
    return (found == (codes != 0)).all(dim=1).double().mean().item()


def run_case(sigma, flops):
    A = dictionaries.random_dictionary(N, M, 0)
    W = dictionaries.perturb(A, 0.1, 1)
    tA, tW = torch.from_numpy(A), torch.from_numpy(W)
    model = generative.NonnegativeSparse(A, sigma, k=K)

    def ours():
        return code_consistency.support_recovery(model, W, 0.0, HardThreshold(LAM), N_SAMPLES, 2).probability

    shares = ours(), in_numpy(A, W, sigma), in_torch(tA, tW, sigma)
    assert np.ptp(shares) < 0.02, shares
    needed = 2 * K * M + (2 * N * M if sigma else 0)
    print(f"\nsigma = {sigma:.3f}: share recovered {shares[0]:.3f}, {shares[1]:.3f}, {shares[2]:.3f}")
    print(f"  bound: {flops / needed:,.0f} samples/s for the flops that are needed")
    compare(
        "  support recovery",
        {"aedyn": ours, "NumPy": lambda: in_numpy(A, W, sigma), "PyTorch": lambda: in_torch(tA, tW, sigma)},
        unit="samples",
        work=N_SAMPLES,
    )


if __name__ == "__main__":
    flops, _ = machine_bounds()
    run_case(0.0, flops)
    run_case(1 / np.sqrt(N), flops)
