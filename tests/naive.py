"""What the package computes, written as the definitions read: loops, no compiler, no shortcut."""

from itertools import combinations, permutations, product

import numpy as np

# Dictionaries ---------------------------------------------------------------------------------------------------------


def coherence(A):
    m = A.shape[1]
    return max(abs(A[:, i] @ A[:, j]) for i in range(m) for j in range(m) if i != j)


def block_coherence(A, groups):
    """Largest singular value of A_g^T A_h over the group size, over pairs of different groups."""
    blocks = [A[:, list(group)] for group in groups]
    pairs = [(g, h) for g in blocks for h in blocks if g is not h]
    return max(np.linalg.svd(g.T @ h, compute_uv=False)[0] for g, h in pairs) / len(groups[0])


def best_matching(W, A, signs):
    """All matchings, one by one: the smallest largest distance, and the smallest sum of squares that goes with it."""
    m = A.shape[1]
    outcomes = []
    for order in permutations(range(m)):
        for flips in product([1, -1] if signs else [1], repeat=m):
            distances = [np.linalg.norm(flips[i] * W[:, order[i]] - A[:, i]) for i in range(m)]
            outcomes.append((max(distances), sum(d**2 for d in distances)))
    delta = min(largest for largest, _ in outcomes)
    return delta, min(squares for largest, squares in outcomes if largest <= delta * (1 + 1e-9))


# Models ---------------------------------------------------------------------------------------------------------------


def floyd(draws, m):
    """Floyd's subset: draw t of k is from 0 to m-k+t, and m-k+t itself is taken when the draw is there already."""
    subset = set()
    for t, draw in enumerate(draws):
        largest = m - len(draws) + t
        subset.add(largest if draw in subset else draw)
    return subset


def samples(A, codes):
    return np.array([sum((x[i] * A[:, i] for i in range(len(x))), np.zeros(len(A))) for x in codes.toarray()])


# Activations ----------------------------------------------------------------------------------------------------------


def relu(z):
    return z if z > 0 else 0.0


def hard_threshold(z, lam):
    return z if abs(z) >= lam else 0.0


def group_shrinkage(z, lam, groups):
    """Each group of the vector z times max(0, 1 - lam / norm)."""
    x = np.zeros_like(z)
    for group in groups:
        norm = np.sqrt(sum(z[i] ** 2 for i in group))
        for i in group:
            x[i] = z[i] * (1 - lam / norm) if norm > lam else 0
    return x


# Autoencoder ----------------------------------------------------------------------------------------------------------


def encode(W, b, Y, activate):
    """`activate` takes one number; `b` is a vector."""
    n, m = W.shape
    return np.array([[activate(sum(W[f, i] * y[f] for f in range(n)) + b[i]) for i in range(m)] for y in Y])


def loss(W, b, Y, activate):
    X = encode(W, b, Y, activate)
    return np.mean([np.sum((y - W @ x) ** 2) / 2 for y, x in zip(Y, X, strict=True)])


def gradient(W, b, Y, active, X):
    """Equation (4) of the dynamics paper, sample by sample and unit by unit, with codes X and the active units."""
    n, m = W.shape
    weights, bias = np.zeros((n, m)), np.zeros(m)
    for y, x, on in zip(Y, X, active, strict=True):
        residual = y - W @ x
        for i in range(m):
            if on[i]:
                z = W[:, i] @ y + b[i]
                weights[:, i] -= (z * np.eye(n) + np.outer(y, W[:, i])) @ residual / len(Y)
                bias[i] -= W[:, i] @ residual / len(Y)
    return weights, bias


def add_sparse(Y, U, X, gram):
    """The sums that the kernel of the gradient adds, with the overlaps c computed from U = Y W and the Gram matrix."""
    n, m = Y.shape[1], X.shape[1]
    signal, moment, overlap, active, squares = np.zeros((m, n)), np.zeros((m, m)), np.zeros(m), np.zeros(m), 0.0
    for y, u, x in zip(Y, U, X, strict=True):
        c = np.where(x != 0, u - gram @ x, 0)
        signal += np.outer(x + c, y)
        moment += np.outer(x, x)
        overlap += c
        active += x != 0
        squares += y @ y - 2 * u @ x + x @ gram @ x
    return signal, moment, overlap, active, np.array([squares])


# Training -------------------------------------------------------------------------------------------------------------


def normalize(B):
    return np.column_stack([column / np.sqrt(sum(column**2)) for column in B.T])


def descent(W, biases, Y, activate, step_size):
    """Normalised descent with one bias vector a step; weights at the end, and the loss before each step."""
    losses = []
    W = normalize(W)
    for b in biases:
        losses.append(loss(W, b, Y, activate))
        X = encode(W, b, Y, activate)
        W = normalize(W - step_size * gradient(W, b, Y, X != 0, X)[0])
    return W, losses


def adam(W, b, batches, activate, rate, beta1=0.9, beta2=0.999):
    """Kingma and Ba's Algorithm 1, with normalised columns after each step."""
    mean, square = np.zeros_like(W), np.zeros_like(W)
    W = normalize(W)
    for t, Y in enumerate(batches, start=1):
        X = encode(W, b, Y, activate)
        g = gradient(W, b, Y, X != 0, X)[0]
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g * g
        W = normalize(W - rate * (mean / (1 - beta1**t)) / (np.sqrt(square / (1 - beta2**t)) + 1e-8))
    return W


# Code consistency -----------------------------------------------------------------------------------------------------


def count_errors(X, codes, signed):
    """Samples without error, missed entries, spurious entries."""
    exact = missed = spurious = 0
    for x, code in zip(X, codes, strict=True):
        wrong = [a != 0 and (b == 0 or (signed and a * b < 0)) for a, b in zip(code, x, strict=True)]
        extra = [a == 0 and b != 0 for a, b in zip(code, x, strict=True)]
        exact += not any(wrong) and not any(extra)
        missed += sum(wrong)
        spurious += sum(extra)
    return exact, missed, spurious


def hadamard(v):
    """Sylvester's matrix, whose entry (i, j) is minus one to the number of ones that i and j share, times v."""
    return np.array([sum((-1) ** (i & j).bit_count() * v[j] for j in range(len(v))) for i in range(len(v))])


# Descent --------------------------------------------------------------------------------------------------------------


def design(A, supports, kappa1, kappa2, sigma):
    """Finitely many samples with the first two moments of the model, and their codes.

    On each support every entry is kappa1 plus or minus a standard deviation, and the noise is plus or minus sigma
    sqrt(n) along one axis; all are equally likely.
    """
    n, m = A.shape
    spread = np.sqrt(kappa2 - kappa1**2)
    noises = [sign * sigma * np.sqrt(n) * axis for sign in (1, -1) for axis in np.eye(n)]
    Y, codes = [], []
    for support in supports:
        for signs in product([1, -1], repeat=len(support)):
            x = np.zeros(m)
            for i, sign in zip(support, signs, strict=True):
                x[i] = kappa1 + sign * spread
            for noise in noises:
                Y.append(A @ x + noise)
                codes.append(x)
    return np.array(Y), np.array(codes)


def expected_gradient(A, W, b, supports, kappa1, kappa2, sigma):
    """Weights and bias gradient: the mean of equation (4) over the design, with the units of the support active."""
    Y, codes = design(A, supports, kappa1, kappa2, sigma)
    active = codes != 0
    return gradient(W, b, Y, active, np.where(active, Y @ W + b, 0))


def printed_sparse(A, W, k):
    """Equation (15) as printed, column by column."""
    m = W.shape[1]
    p, pair = k / m, k * (k - 1) / (m * (m - 1))
    columns = []
    for i in range(m):
        w, a = W[:, i], A[:, i]
        others = [j for j in range(m) if j != i]
        seen = sum((pair * (W[:, j] @ a) * W[:, j] for j in others), np.zeros(len(a)))
        columns.append(-p * (w @ a) * a + p * (w @ a) ** 2 * w + (w @ a) * seen + (w @ seen) * a)
    return np.array(columns).T


def claim_sums(A, W, k, i):
    """The sums of Claims 3 and 4 for unit i, in the order of the paper."""
    m = W.shape[1]
    pair = k * (k - 1) / (m * (m - 1))
    triple = pair * (k - 2) / (m - 2)
    others = [j for j in range(m) if j != i]
    pairs = list(permutations(others, 2))
    w = W.T[i]
    third = (
        sum(pair * (w @ A.T[j]) ** 2 for j in others),
        sum(pair * (w @ A.T[j]) for j in others),
        sum(triple * (w @ A.T[j]) * (w @ A.T[q]) for j, q in pairs),
    )
    fourth = (
        sum(pair * (w @ W.T[j]) * (A.T[i] @ W.T[j]) for j in others),
        sum(pair * (w @ A.T[j]) for j in others),
        sum(pair * (w @ W.T[j]) * (W.T[j] @ A.T[j]) for j in others),
        sum(triple * (w @ W.T[j]) * (W.T[j] @ A.T[q]) for j, q in pairs),
        sum(pair * (w @ W.T[j]) for j in others),
    )
    return third, fourth


def alpha_beta(A, W, b, k, kappa1, kappa2, i, printed):
    """The coefficients of appendix B.3, sum by sum."""
    m = W.shape[1]
    p, pair = k / m, k * (k - 1) / (m * (m - 1))
    (squares, sums, products), (back, _, own, far, _) = claim_sums(A, W, k, i)
    overlap = W.T[i] @ A.T[i]
    alpha = kappa2 * (p * overlap**2 + squares) + kappa1**2 * (2 * overlap * sums + products)
    alpha += 2 * kappa1 * b[i] * (p * overlap + sums) + p * b[i] ** 2
    beta = kappa2 * (p * overlap - back) + kappa1**2 * (sums - own - far)
    others = [j for j in range(m) if j != i]
    beta -= kappa1 * sum(pair * (b[i] if printed else b[j]) * (W.T[i] @ W.T[j]) for j in others)
    return alpha, beta


def all_supports(m, k):
    return list(combinations(range(m), k))


# Initialisation -------------------------------------------------------------------------------------------------------


def reweighted_moment(Y, u, v):
    return sum((y @ u) * (y @ v) * np.outer(y, y) for y in Y) / len(Y)
