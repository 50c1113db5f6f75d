"""Epochs of the simulation of section 4.1, gradient and Adam step, against PyTorch's autograd and Adam."""

import subprocess
import sys

import numpy as np
import torch
from harness import compare

from aedyn.group_problem import Simulation, draw
from aedyn.optimizers import adam

N_EPOCHS = 10  # of 300: what a run does once is spread over them
SIMULATION = Simulation(correlation=0.5)


def load(dtype):
    """Samples, and weights close enough to the dictionary for the true groups to be active, and few others."""
    problem = draw(SIMULATION)
    noise = np.random.default_rng(1).standard_normal(problem.start.shape)
    return problem.Y.astype(dtype), (1.2 * problem.model.A + 0.01 * noise).astype(dtype)


def ours(Y, W):
    """History of some epochs."""
    return adam(W, 0.0, Y, SIMULATION.activation, batch_size=None, n_epochs=N_EPOCHS, normalized=False)


def by_autograd(Y, W):
    """Losses before each step, and the weights at the end."""
    Y, W = torch.from_numpy(Y), torch.from_numpy(W).clone().requires_grad_()
    optimizer = torch.optim.Adam([W], lr=1e-3)
    losses = []
    for _ in range(N_EPOCHS):
        optimizer.zero_grad()
        Z = (Y @ W).view(len(Y), -1, SIMULATION.group_size)
        X = (Z * (1 - SIMULATION.lam / Z.norm(dim=2, keepdim=True)).relu()).view(len(Y), -1)
        value = (Y - X @ W.T).square().sum() / (2 * len(Y))
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses, W.detach().numpy()


def products(Y, W):
    """The products Y W alone, one an epoch."""
    for _ in range(N_EPOCHS):
        Y @ W


def run_case(dtype):
    Y, W = load(dtype)
    (n, m), active = W.shape, SIMULATION.n_active * SIMULATION.group_size
    history, (losses, weights) = ours(Y, W), by_autograd(Y, W)
    assert np.allclose(history.losses, losses, rtol=1e-5)
    assert np.abs(history.weights - weights).max() < {"float32": 1e-3, "float64": 1e-9}[dtype]
    assert abs(history.activity.sum() / N_EPOCHS / active - 1) < 0.1
    medians = compare(
        f"{dtype}, {N_EPOCHS} epochs: n = {n}, m = {m}, N = {len(Y)}, {active} active units a sample",
        {
            "aedyn": lambda: ours(Y, W),
            "PyTorch, autograd": lambda: by_autograd(Y, W),
            "products Y W alone": lambda: products(Y, W),
        },
        unit="samples",
        work=N_EPOCHS * len(Y),
    )
    # Y W; half the Gram matrix of W, and W times the moments; for active units a row of Y, the moments and overlaps
    flops = 2 * len(Y) * n * m + 3 * n * m**2 + 2 * len(Y) * active * (n + 2 * active)
    share = flops / (2 * len(Y) * n * m) * medians["products Y W alone"] / medians["aedyn"]
    print(f"  flops of an epoch: {flops / 1e9:.0f} G, done at {share:.0%} of the rate of the products alone")
    memory = [peak_memory(run, dtype) for run in (ours, by_autograd)]
    print("  memory beside samples and start: aedyn {} MB, PyTorch {} MB".format(*memory))


def peak_memory(run, dtype):
    """What the run adds to the memory of a process of its own, at most, in megabytes."""
    command = [sys.executable, __file__, run.__name__, dtype]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def report_memory(run, dtype):
    Y, W = load(dtype)
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # forget the largest memory so far
    before = resident("VmRSS")
    run(Y, W)
    print((resident("VmHWM") - before) // 1024)


def resident(kind):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(kind))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        report_memory(globals()[sys.argv[1]], sys.argv[2])
    else:
        for dtype in ("float32", "float64"):
            run_case(dtype)
