"""Tied weights and the identity: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "outputs from activations": Variant(
        True,
        ("by-hand-outputs", "by-hand-half"),
        "def two_units():\n"
        "    W, x = np.array([[1, 1], [1, -2]]), np.array([3, 4]) / 5\n"
        "    plus, minus = (W @ (z * (z > 0)) / 2 for z in (W.T @ x, -W.T @ x))\n"
        "    G = sum(np.outer(w, w) for w in W.T) / 4\n"
        "    return plus, minus, np.sum((plus - x) ** 2), G",
    ),
    "silent units add": Variant(
        False,
        ("by-hand-outputs", "by-hand-half"),
        "def two_units():\n    u = np.array([0.2, 1.7])\n    return u, -u, 0.97, np.array([[1.0, -0.5], [-0.5, 2.5]])",
    ),
    "sums in place of means": Variant(
        False,
        ("by-hand-outputs",),
        "def two_units():\n"
        "    return np.array([1.4, 1.4]), np.array([1.0, -2.0]), 1.0, np.array([[2.0, -1.0], [-1.0, 5.0]])",
    ),
    "half of the error, and an odd output": Variant(
        False,
        ("by-hand-outputs", "by-hand-half"),
        "def two_units():\n"
        "    u = np.array([0.7, 0.7])\n"
        "    return u, -u, 0.01, np.array([[0.5, -0.25], [-0.25, 1.25]])",
    ),
    "linear half of the active unit": Variant(
        False,
        ("by-hand-half",),
        "def two_units():\n"
        "    return np.array([0.7, 0.7]), np.array([0.5, -1.0]), 0.02, np.array([[0.25, 0.25], [0.25, 0.25]])",
    ),
    "outputs in loops": Variant(
        True,
        ("network-outputs",),
        "def reconstruct(W, X):\n"
        "    U = np.zeros(X.shape)\n"
        "    for i, x in enumerate(X):\n"
        "        for w in W.T:\n"
        "            if w @ x > 0:\n"
        "                U[i] += (w @ x) * w / len(W.T)\n"
        "    return U",
    ),
    "outputs without the width": Variant(
        False, ("network-outputs",), "def reconstruct(W, X):\n    return np.maximum(X @ W, 0) @ W.T"
    ),
    "outputs scaled as elsewhere": Variant(
        False, ("network-outputs",), "def reconstruct(W, X):\n    return np.maximum(X @ W, 0) @ W.T / np.sqrt(W.size)"
    ),
    "outputs of a linear network": Variant(
        False, ("network-outputs",), "def reconstruct(W, X):\n    return X @ W @ W.T / W.shape[1]"
    ),
    "descent unit by unit": Variant(
        True,
        ("network-step",),
        "def descend(W, X, eta, n_steps):\n"
        "    for _ in range(n_steps):\n"
        "        errors, units = X - reconstruct(W, X), []\n"
        "        for w in W.T:\n"
        "            change = np.zeros(len(w))\n"
        "            for x, e in zip(X, errors):\n"
        "                if w @ x > 0:\n"
        "                    change += (e @ w) * x + (w @ x) * e\n"
        "            units.append(w + eta * change)\n"
        "        W = np.array(units).T\n"
        "    return W",
    ),
    "descent uphill": Variant(
        False,
        ("network-step",),
        "def descend(W, X, eta, n_steps):\n"
        "    for _ in range(n_steps):\n"
        "        H, E = np.maximum(X @ W, 0), X - reconstruct(W, X)\n"
        "        W = W - eta * (X.T @ ((H > 0) * (E @ W)) + E.T @ H)\n"
        "    return W",
    ),
    "descent over the width": Variant(
        False,
        ("network-step",),
        "def descend(W, X, eta, n_steps):\n"
        "    for _ in range(n_steps):\n"
        "        H, E = np.maximum(X @ W, 0), X - reconstruct(W, X)\n"
        "        W = W + eta * (X.T @ ((H > 0) * (E @ W)) + E.T @ H) / W.shape[1]\n"
        "    return W",
    ),
    "descent of the decoder only": Variant(
        False,
        ("network-step",),
        "def descend(W, X, eta, n_steps):\n"
        "    for _ in range(n_steps):\n"
        "        W = W + eta * (X - reconstruct(W, X)).T @ np.maximum(X @ W, 0)\n"
        "    return W",
    ),
    "descent of silent units": Variant(
        False,
        ("network-step",),
        "def descend(W, X, eta, n_steps):\n"
        "    for _ in range(n_steps):\n"
        "        H, E = np.maximum(X @ W, 0), X - reconstruct(W, X)\n"
        "        W = W + eta * (X.T @ (E @ W) + E.T @ H)\n"
        "    return W",
    ),
    "descent with errors of the start": Variant(
        False,
        ("network-step",),
        "def descend(W, X, eta, n_steps):\n"
        "    E = X - reconstruct(W, X)\n"
        "    for _ in range(n_steps):\n"
        "        H = np.maximum(X @ W, 0)\n"
        "        W = W + eta * (X.T @ ((H > 0) * (E @ W)) + E.T @ H)\n"
        "    return W",
    ),
    "losses of many networks at once": Variant(
        True,
        ("width-loss",),
        "def untrained_loss(d, m, variance, n_draws, seed):\n"
        "    rng, x = np.random.default_rng([seed, 1]), np.ones(d) / np.sqrt(d)\n"
        "    W = rng.normal(0, np.sqrt(variance), (n_draws, m, d))\n"
        "    U = np.einsum('sr,srk->sk', np.maximum(W @ x, 0), W) / m\n"
        "    return ((U - x) ** 2).sum() / n_draws",
    ),
    "variance for deviation": Variant(
        False,
        ("width-loss",),
        "def untrained_loss(d, m, variance, n_draws, seed):\n"
        "    rng, x = np.random.default_rng(seed), np.eye(d)[:1]\n"
        "    draws = [variance * rng.standard_normal((d, m)) for _ in range(n_draws)]\n"
        "    return np.mean([((x - reconstruct(W, x)) ** 2).sum() for W in draws])",
    ),
    "losses per entry": Variant(
        False,
        ("width-loss",),
        "def untrained_loss(d, m, variance, n_draws, seed):\n"
        "    rng, x = np.random.default_rng(seed), np.eye(d)[:1]\n"
        "    draws = [np.sqrt(variance) * rng.standard_normal((d, m)) for _ in range(n_draws)]\n"
        "    return np.mean([((x - reconstruct(W, x)) ** 2).mean() for W in draws])",
    ),
    "loss of the mean network": Variant(
        False,
        ("width-loss",),
        "def untrained_loss(d, m, variance, n_draws, seed):\n"
        "    rng, x = np.random.default_rng(seed), np.eye(d)[:1]\n"
        "    draws = [np.sqrt(variance) * rng.standard_normal((d, m)) for _ in range(n_draws)]\n"
        "    return ((x - np.mean([reconstruct(W, x) for W in draws], axis=0)) ** 2).sum()",
    ),
    "width by search": Variant(
        True,
        ("width-smallest",),
        "def smallest_width(d, eps):\n"
        "    m = 1\n"
        "    while (2 * d + 3) * 2**2 / (4 * m) > eps:\n"
        "        m += 1\n"
        "    return m",
    ),
    "width of the remark": Variant(
        False, ("width-smallest",), "def smallest_width(d, eps):\n    return int(np.ceil(3 * d / eps))"
    ),
    "width rounded down": Variant(
        False, ("width-smallest",), "def smallest_width(d, eps):\n    return int((2 * d + 3) / eps)"
    ),
    "width that is no integer": Variant(
        False, ("width-smallest",), "def smallest_width(d, eps):\n    return (2 * d + 3) / eps"
    ),
    "variance by search": Variant(
        True,
        ("width-variance",),
        "def best_variance(d, m):\n"
        "    slope = lambda v: (v / 2 - 1) + (2 * d + 3) * v / (2 * m)\n"
        "    low, high = 0.0, 4.0\n"
        "    for _ in range(60):\n"
        "        middle = (low + high) / 2\n"
        "        low, high = (low, middle) if slope(middle) > 0 else (middle, high)\n"
        "    return low",
    ),
    "variance of the paper": Variant(False, ("width-variance",), "def best_variance(d, m):\n    return 2.0"),
    "deviation for variance": Variant(
        False, ("width-variance",), "def best_variance(d, m):\n    return np.sqrt(2 * m / (m + 2 * d + 3))"
    ),
    "gain for variance": Variant(
        False, ("width-variance",), "def best_variance(d, m):\n    return m / (m + 2 * d + 3)"
    ),
    "gains by projection": Variant(
        True,
        ("gains-law", "gains-frozen"),
        "def gains(W, X, eta, n_steps):\n"
        "    V, P = descend(W, X, eta, n_steps), np.linalg.pinv(X, rcond=1e-10) @ X\n"
        "    G, k = V @ V.T / (2 * V.shape[1]), np.linalg.matrix_rank(X)\n"
        "    return np.trace(P @ G) / k, (np.trace(G) - np.trace(P @ G)) / (len(W) - k)",
    ),
    "gains before training": Variant(
        False,
        ("gains-law", "gains-frozen"),
        "def gains(W, X, eta, n_steps):\n"
        "    P, k = np.linalg.pinv(X, rcond=1e-10) @ X, np.linalg.matrix_rank(X)\n"
        "    G = W @ W.T / (2 * W.shape[1])\n"
        "    return np.trace(P @ G) / k, (np.trace(G) - np.trace(P @ G)) / (len(W) - k)",
    ),
    "gains that are sums": Variant(
        False,
        ("gains-law", "gains-frozen"),
        "def gains(W, X, eta, n_steps):\n"
        "    V, P = descend(W, X, eta, n_steps), np.linalg.pinv(X, rcond=1e-10) @ X\n"
        "    G = V @ V.T / (2 * V.shape[1])\n"
        "    return np.trace(P @ G), np.trace(G) - np.trace(P @ G)",
    ),
    "gains without the half": Variant(
        False,
        ("gains-law", "gains-frozen"),
        "def gains(W, X, eta, n_steps):\n"
        "    V, P = descend(W, X, eta, n_steps), np.linalg.pinv(X, rcond=1e-10) @ X\n"
        "    G, k = V @ V.T / V.shape[1], np.linalg.matrix_rank(X)\n"
        "    return np.trace(P @ G) / k, (np.trace(G) - np.trace(P @ G)) / (len(W) - k)",
    ),
    "gains with the number of samples": Variant(
        False,
        ("gains-law", "gains-frozen"),
        "def gains(W, X, eta, n_steps):\n"
        "    V, rows = descend(W, X, eta, n_steps), np.linalg.svd(X)[2]\n"
        "    squares = ((rows @ V) ** 2).sum(axis=1) / (2 * V.shape[1])\n"
        "    k = min(len(X), len(W) - 1)\n"
        "    return squares[:k].mean(), squares[k:].mean()",
    ),
    "bad input by power steps": Variant(
        True,
        ("bad-input",),
        "def bad_input(W):\n"
        "    D = W @ W.T / (2 * W.shape[1]) - np.eye(len(W))\n"
        "    for _ in range(40):\n"
        "        D = D @ D / np.linalg.norm(D @ D)\n"
        "    x = D[:, np.linalg.norm(D, axis=0).argmax()]\n"
        "    both = np.array([x, -x]) / np.linalg.norm(x)\n"
        "    return both[((both - reconstruct(W, both)) ** 2).sum(axis=1).argmax()]",
    ),
    "bad input of the largest gain": Variant(
        False,
        ("bad-input",),
        "def bad_input(W):\n"
        "    x = np.linalg.eigh(W @ W.T)[1][:, -1]\n"
        "    both = np.array([x, -x])\n"
        "    return both[((both - reconstruct(W, both)) ** 2).sum(axis=1).argmax()]",
    ),
    "bad input without the better sign": Variant(
        False,
        ("bad-input",),
        "def bad_input(W):\n"
        "    values, vectors = np.linalg.eigh(W @ W.T / (2 * W.shape[1]))\n"
        "    x = vectors[:, abs(values - 1).argmax()]\n"
        "    both = np.array([x, -x])\n"
        "    return both[((both - reconstruct(W, both)) ** 2).sum(axis=1).argmin()]",
    ),
    "bad input that is not normalised": Variant(
        False, ("bad-input",), "def bad_input(W):\n    return 100 * np.eye(len(W))[0]"
    ),
    "an input chosen before the weights": Variant(
        False, ("bad-input",), "def bad_input(W):\n    return np.eye(len(W))[0]"
    ),
}
