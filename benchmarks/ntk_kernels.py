"""Tangent kernels formed, against the Jacobian contraction in PyTorch; smallest eigenvalue with and without forming."""

import tracemalloc
from time import perf_counter

import numpy as np
import torch
from harness import compare, machine_bounds

from aedyn.ntk_kernels import KernelOperator, decoder_kernel, encoder_kernel, smallest_eigenvalue
from aedyn.unit_samples import sphere


def network(n, d, m):
    rng = np.random.default_rng(0)
    return rng.standard_normal((d, m)), rng.choice([-1.0, 1.0], size=(d, m)), sphere(n, d, 1)


def joint_kernel(W, A, X):
    return encoder_kernel(W, A, X) + np.kron(decoder_kernel(W, X), np.eye(len(W)))


def jacobian_contraction(W, A, X, chunk):
    """d times the Jacobian times its transpose, the Jacobian by autograd for `chunk` units at a time."""
    X, d = torch.from_numpy(X), len(W)
    kernel = torch.zeros(X.numel(), X.numel(), dtype=X.dtype)

    def outputs(W, A, x):
        return A @ torch.relu(x @ W)

    jacobian = torch.func.vmap(torch.func.jacrev(outputs, argnums=(0, 1)), in_dims=(None, None, 0))
    for start in range(0, W.shape[1], chunk):
        units = slice(start, start + chunk)
        for part in jacobian(torch.from_numpy(W[:, units]), torch.from_numpy(A[:, units]), X):
            part = part.reshape(len(kernel), -1)
            kernel.addmm_(part, part.T, alpha=d / (W.shape[1] * d))
    return kernel.numpy()


def peak(run):
    """Largest memory that NumPy holds during a run, in byte."""
    tracemalloc.start()
    run()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size


def forming(n, d, m):
    small = network(8, 5, 2500)
    assert np.allclose(joint_kernel(*small), jacobian_contraction(*small, 1000), rtol=0, atol=1e-12)
    W, A, X = network(n, d, m)
    compare(
        f"forming G + H, n = {n}, d = {d}, m = {m:,}",
        {
            "aedyn, A of signs": lambda: joint_kernel(W, A, X),
            "aedyn, any A": lambda: joint_kernel(W, 1.5 * A, X),
            "PyTorch, 1,000 units a time": lambda: jacobian_contraction(W, A, X, 1000),
        },
        unit="kernels",
        work=1,
        rounds=1,
    )
    jacobian = 2 * n * d * d * 8
    print(f"  memory: {peak(lambda: joint_kernel(W, A, X)) / 1e6:.0f} MB at most in aedyn, beside W and A;")
    print(f"  the Jacobian has {jacobian * 1000 / 1e6:.0f} MB for 1,000 units and {jacobian * m / 1e9:.1f} GB for all")


def eigenvalue(n, d, m, dense):
    W, A, X = network(n, d, m)
    print(f"\nsmallest eigenvalue of G + H, n d = {n * d:,}, m = {m:,}")
    start = perf_counter()
    memory = peak(lambda: print("  matrix-free:", smallest_eigenvalue(KernelOperator(W, A, X))))
    seconds = perf_counter() - start
    print(f"  {seconds:.1f} s, {memory / 1e6:.0f} MB beside W and A; formed, it has {8e-6 * X.size**2:.0f} MB")
    if dense:
        start = perf_counter()
        kernel = joint_kernel(W, A, X)
        formed = perf_counter() - start
        low = np.linalg.eigvalsh(kernel)[0]
        print(f"  formed and decomposed: {low:.12f}, {formed:.1f} s and {perf_counter() - start - formed:.1f} s")


if __name__ == "__main__":
    machine_bounds()
    forming(50, 20, 20_000)
    eigenvalue(50, 20, 20_000, dense=True)
    eigenvalue(100, 40, 50_000, dense=True)
    eigenvalue(200, 50, 100_000, dense=False)
