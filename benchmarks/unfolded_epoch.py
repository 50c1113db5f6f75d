"""An epoch of the network of section 4.2 on 60,000 images, and its encoder alone, against PyTorch and its autograd."""

import numpy as np
import torch
from harness import compare, product_peak
from scipy.linalg import eigh

from aedyn._parallel import map_in_threads
from aedyn.datasets import load_mnist
from aedyn.dictionaries import make_groups, normalize, random_dictionary
from aedyn.digit_training import train
from aedyn.optimizers import AdamState
from aedyn.unfolded import PIECE_ROWS, Unfolded, encode

N_GROUPS, GROUP_SIZE, BATCH_SIZE, RATE = 10, 16, 256, 1e-3
M = N_GROUPS * GROUP_SIZE
NETWORK = Unfolded(0.2, groups=make_groups(M, group_size=GROUP_SIZE), nonnegative=True)


def load():
    """The 60,000 training images in single precision, and a random start."""
    return load_mnist().pixels.astype(np.float32), random_dictionary(784, M, 0).astype(np.float32)


# PyTorch, as such networks are written --------------------------------------------------------------------------------


def shrink(V, threshold):
    V = torch.relu(V).view(len(V), N_GROUPS, GROUP_SIZE)
    norms = V.norm(dim=2, keepdim=True).clamp_min(1e-12)
    return (V * torch.relu(1 - threshold / norms)).view(len(V), M)


def encode_in_torch(W, Y, step, by_gram=False):
    """Codes, from products with the weights in each step, or with their Gram matrix."""
    if by_gram:
        gram, U = W.T @ W, Y @ W
    x = z = torch.zeros(len(Y), M)
    t = 1.0
    for _ in range(NETWORK.n_steps):
        pull = U - z @ gram if by_gram else (Y - z @ W.T) @ W
        new = shrink(z + step * pull, NETWORK.group_lam * step)
        t_new = (1 + (1 + 4 * t**2) ** 0.5) / 2
        z = new + (t - 1) / t_new * (new - x)
        x, t = new, t_new
    return x


def train_in_torch(W, Y, by_gram=False):
    """Mean loss before a step, and the weights at the end; the batches are those of `train` with seed 0."""
    W, Y = torch.from_numpy(W).clone().requires_grad_(), torch.from_numpy(Y)
    optimizer = torch.optim.Adam([W], lr=RATE)
    order = torch.from_numpy(np.random.default_rng([0, 0]).permutation(len(Y)))
    losses = []
    for rows in order.split(BATCH_SIZE):
        batch = Y[rows]
        X = encode_in_torch(W, batch, 1 / torch.linalg.matrix_norm(W, 2) ** 2, by_gram)
        loss = (batch - X @ W.T).square().sum(dim=1).mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            W /= W.norm(dim=0)
        losses.append(loss.item() * len(rows) / len(Y))
    return sum(losses), W.detach().numpy()


def encode_all_in_torch(W, Y):
    W, Y = torch.from_numpy(W), torch.from_numpy(Y)
    step = 1 / torch.linalg.matrix_norm(W, 2) ** 2
    with torch.no_grad():
        return torch.cat([encode_in_torch(W, batch, step) for batch in Y.split(BATCH_SIZE)]).numpy()


# Ours, and its parts --------------------------------------------------------------------------------------------------


def ours(W, Y):
    return train(W, Y, NETWORK, seed=0, n_epochs=1, batch_size=BATCH_SIZE, rate=RATE)


def products_alone(W, Y):
    """The matrix products of the epoch, in the same pieces."""
    gram = W.T @ W

    def of_piece(Y):
        C = X = W.T @ Y.T
        for _ in range(NETWORK.n_steps - 1):
            C, _ = gram @ X, gram @ X  # a step, and its derivative for the code before
            C @ X.T  # that for the Gram matrix
        gram @ X, X @ X.T, Y.T @ X.T

    for start in range(0, len(Y), BATCH_SIZE):
        batch = Y[start : start + BATCH_SIZE]
        map_in_threads(of_piece, [batch[:PIECE_ROWS], batch[PIECE_ROWS:]] if len(batch) > PIECE_ROWS else [batch])


def steps_alone(W, n_batches):
    """The Gram matrix with its largest eigenvalue, and the product with it at the end: what one thread does."""
    for _ in range(n_batches):
        gram = W.T @ W
        eigh(gram, subset_by_index=[M - 1, M - 1])
        W @ gram


def updates_alone(W, Y):
    """Batches, Adam and the columns' norms of the epoch."""
    state, order = AdamState.at(W), np.random.default_rng(0).permutation(len(Y))
    for start in range(0, len(Y), BATCH_SIZE):
        Y[order[start : start + BATCH_SIZE]]
        W = normalize(W - state.change(W, RATE))


def flops(n_samples, n, m):
    """Those of the products of the epoch: of a symmetric product one half."""
    for_each_sample = 4 * n * m + (6 * (NETWORK.n_steps - 1) + 3) * m**2
    return n_samples * for_each_sample + -(-n_samples // BATCH_SIZE) * 3 * n * m**2


def run():
    Y, W = load()
    few = Y[: 20 * BATCH_SIZE]
    training, codes = ours(W, few), encode(W, few, NETWORK)
    for by_gram in (False, True):
        loss, weights = train_in_torch(W, few, by_gram)
        assert np.isclose(training.losses[0], loss, rtol=1e-4)
        assert np.abs(training.weights - weights).max() < 1e-3 < np.abs(training.weights - W).max()
    assert np.abs(codes - encode_all_in_torch(W, few)).max() < 1e-4 * np.abs(codes).max()
    n_batches = -(-len(Y) // BATCH_SIZE)
    medians = compare(
        f"one epoch: N = {len(Y)}, n = 784, {N_GROUPS} groups of {GROUP_SIZE}, {NETWORK.n_steps} steps, "
        f"batches of {BATCH_SIZE}",
        {
            "aedyn": lambda: ours(W, Y),
            "PyTorch": lambda: train_in_torch(W, Y),
            "PyTorch, by Gram matrix": lambda: train_in_torch(W, Y, by_gram=True),
            "products alone": lambda: products_alone(W, Y),
            "Gram matrix, step length": lambda: steps_alone(W, n_batches),
            "batches, Adam, norms": lambda: updates_alone(W, Y),
        },
        unit="samples",
        work=len(Y),
        rounds=5,
    )
    total, peak = flops(len(Y), *W.shape), product_peak("float32")
    print(f"  products of the epoch: {total / 1e9:.0f} Gflop, {total / medians['aedyn'] / peak:.0%} of the "
          f"{peak / 1e9:.0f} Gflop/s of large products")  # fmt: skip
    print(f"  {training.active_groups[0]:.1f} of {N_GROUPS} groups of a code active")
    compare(
        "its encoder alone",
        {"aedyn": lambda: encode(W, Y, NETWORK), "PyTorch": lambda: encode_all_in_torch(W, Y)},
        unit="samples",
        work=len(Y),
        rounds=5,
    )


if __name__ == "__main__":
    run()
