"""Kernels and widths: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "kernels from activations": Variant(
        True,
        ("by-hand-encoder", "by-hand-decoder"),
        "def two_units():\n"
        "    active = np.array([[2.0, 0.0], [2.0, 1.0]])\n"
        "    H = active @ active.T / 2\n"
        "    return 0.5 * 0.6 * np.ones((2, 2)), H, 1 / np.linalg.norm(np.linalg.inv(H), 2)",
    ),
    "silent units count": Variant(
        False,
        ("by-hand-encoder", "by-hand-decoder"),
        "def two_units():\n    return 0.6 * np.eye(2), np.array([[2.5, 1.5], [1.5, 2.5]]), 1.0",
    ),
    "sums in place of means": Variant(
        False,
        ("by-hand-encoder", "by-hand-decoder"),
        "def two_units():\n    return 0.6 * np.ones((2, 2)), np.array([[4.0, 4.0], [4.0, 5.0]]), 0.469",
    ),
    "the larger eigenvalue": Variant(
        False,
        ("by-hand-decoder",),
        "def two_units():\n    return 0.3 * np.ones((2, 2)), np.array([[2.0, 2.0], [2.0, 2.5]]), 4.266",
    ),
    "encoder from derivatives of the outputs": Variant(
        True,
        ("kernels-encoder",),
        "def encoder_kernel(W, A, X):\n"
        "    jacobian = np.einsum('pr,ir,ik->ipkr', A, np.heaviside(X @ W, 1), X).reshape(X.size, W.size)\n"
        "    return jacobian @ jacobian.T / W.shape[1]",
    ),
    "encoder, all units": Variant(
        False,
        ("kernels-encoder",),
        "def encoder_kernel(W, A, X):\n    return np.kron(X @ X.T, A @ A.T) / W.shape[1]",
    ),
    "encoder without the samples": Variant(
        False,
        ("kernels-encoder",),
        "def encoder_kernel(W, A, X):\n"
        "    s = np.heaviside(X @ W, 1)\n"
        "    return np.einsum('ir,jr,pr,qr->ipjq', s, s, A, A).reshape(X.size, X.size) / W.shape[1]",
    ),
    "encoder, outputs first": Variant(
        False,
        ("kernels-encoder",),
        "def encoder_kernel(W, A, X):\n"
        "    s = np.heaviside(X @ W, 1)\n"
        "    G = np.einsum('ij,ir,jr,pr,qr->piqj', X @ X.T, s, s, A, A)\n"
        "    return G.reshape(X.size, X.size) / W.shape[1]",
    ),
    "encoder with signs": Variant(
        False,
        ("kernels-encoder",),
        "def encoder_kernel(W, A, X):\n"
        "    s = np.heaviside(X @ W, 1)\n"
        "    return np.kron(X @ X.T * (s @ s.T), np.eye(len(A))) / W.shape[1]",
    ),
    "decoder unit by unit": Variant(
        True,
        ("kernels-decoder",),
        "def decoder_kernel(W, X):\n"
        "    H = np.zeros((len(X), len(X)))\n"
        "    for w in W.T:\n"
        "        seen = (X @ w + abs(X @ w)) / 2\n"
        "        H += np.outer(seen, seen)\n"
        "    return H / len(W.T)",
    ),
    "decoder without the width": Variant(
        False,
        ("kernels-decoder",),
        "def decoder_kernel(W, X):\n    return np.maximum(X @ W, 0) @ np.maximum(X @ W, 0).T",
    ),
    "decoder without activation": Variant(
        False, ("kernels-decoder",), "def decoder_kernel(W, X):\n    return X @ W @ W.T @ X.T / W.shape[1]"
    ),
    "decoder from bits": Variant(
        False,
        ("kernels-decoder",),
        "def decoder_kernel(W, X):\n    s = X @ W >= 0\n    return X @ X.T * (s.astype(float) @ s.T) / W.shape[1]",
    ),
    "limits by integration": Variant(
        True,
        ("limits-encoder", "limits-decoder"),
        "def limits(theta, leak):\n"
        "    from scipy.integrate import quad\n"
        "    phi = lambda z: z if z >= 0 else leak * z\n"
        "    slope = lambda z: 1.0 if z >= 0 else leak\n"
        "    bends = [theta - np.pi / 2, np.pi / 2, theta + np.pi / 2]\n"
        "    ends = {'a': -np.pi / 2, 'b': 3 * np.pi / 2, 'points': bends}\n"
        "    mean = lambda f: quad(lambda a: f(np.cos(a)) * f(np.cos(a - theta)), **ends)[0] / (2 * np.pi)\n"
        "    return np.cos(theta) * mean(slope), 2 * mean(phi)",
    ),
    "limits of the paper": Variant(
        False,
        ("limits-decoder",),
        "def limits(theta, leak):\n"
        "    s = np.cos(theta) * ((1 + leak**2) * (np.pi - theta) / 2 + leak * theta) / np.pi\n"
        "    return s, s",
    ),
    "limits without leak": Variant(
        False,
        ("limits-encoder", "limits-decoder"),
        "def limits(theta, leak):\n"
        "    s = np.cos(theta) * (np.pi - theta) / (2 * np.pi)\n"
        "    return s, s + np.sin(theta) / (2 * np.pi)",
    ),
    "limits with the jump added": Variant(
        False,
        ("limits-decoder",),
        "def limits(theta, leak):\n"
        "    s = np.cos(theta) * ((1 + leak**2) * (np.pi - theta) / 2 + leak * theta) / np.pi\n"
        "    return s, s + (1 - leak) * np.sin(theta) / (2 * np.pi)",
    ),
    "limits with the slopes of one sample": Variant(
        False,
        ("limits-encoder",),
        "def limits(theta, leak):\n    return np.cos(theta) * (1 + leak**2) / 2, 0.0",
    ),
    "limits on the unit circle": Variant(
        False,
        ("limits-decoder",),
        "def limits(theta, leak):\n"
        "    a = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)\n"
        "    phi = lambda z: np.where(z < 0, leak * z, z)\n"
        "    return 0.0, np.mean(phi(np.cos(a)) * phi(np.cos(a - theta)))",
    ),
    "share by singular values": Variant(
        True,
        ("start-exact", "start-lemma"),
        "def share_above(X, level, m, n_draws, seed):\n"
        "    rng, count = np.random.default_rng([seed, 1]), 0\n"
        "    for _ in range(n_draws):\n"
        "        activations = np.maximum(X @ rng.normal(size=(X.shape[1], m)), 0)\n"
        "        count += np.linalg.svd(activations, compute_uv=False)[-1] >= np.sqrt(m * level)\n"
        "    return count / n_draws",
    ),
    "share of largest eigenvalues": Variant(
        False,
        ("start-exact", "start-lemma"),
        "def share_above(X, level, m, n_draws, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    draws = [decoder_kernel(rng.standard_normal((X.shape[1], m)), X) for _ in range(n_draws)]\n"
        "    return np.mean([np.linalg.norm(H, 2) >= level for H in draws])",
    ),
    "share of networks without activation": Variant(
        False,
        ("start-exact", "start-lemma"),
        "def share_above(X, level, m, n_draws, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    draws = [X @ rng.standard_normal((X.shape[1], m)) for _ in range(n_draws)]\n"
        "    return np.mean([np.linalg.eigvalsh(Z @ Z.T / m)[0] >= level for Z in draws])",
    ),
    "share of uniform weights": Variant(
        False,
        ("start-exact", "start-lemma"),
        "def share_above(X, level, m, n_draws, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    draws = [decoder_kernel(rng.uniform(-1, 1, (X.shape[1], m)), X) for _ in range(n_draws)]\n"
        "    return np.mean([np.linalg.eigvalsh(H)[0] >= level for H in draws])",
    ),
    "the share that the lemma promises": Variant(
        False,
        ("start-lemma",),
        "def share_above(X, level, m, n_draws, seed):\n    return 1.0 if level <= 3 / 8 else 0.0",
    ),
    "lowest by integration and an inverse": Variant(
        True,
        ("scales-lowest",),
        "def lowest_joint(X, sigma, alpha):\n"
        "    around = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)\n"
        "    theta = 2 * np.arctan2(*(np.linalg.norm(X[:, None] - s * X, axis=2) for s in (1, -1)))\n"
        "    first = np.maximum(np.cos(around), 0)\n"
        "    T = np.array([[2 * np.mean(first * np.maximum(np.cos(around - t), 0)) for t in row] for row in theta])\n"
        "    S = T - np.sin(theta) / (2 * np.pi)\n"
        "    return 1 / np.linalg.norm(np.linalg.inv(alpha**2 * S + sigma**2 * T), 2)",
    ),
    "lowest of the paper": Variant(
        False,
        ("scales-lowest",),
        "def lowest_joint(X, sigma, alpha):\n"
        "    S, _ = limits(np.arccos(np.clip(X @ X.T, -1, 1)), 0.0)\n"
        "    return (alpha**2 + sigma**2) * np.linalg.eigvalsh(S)[0]",
    ),
    "lowest with scales exchanged": Variant(
        False,
        ("scales-lowest",),
        "def lowest_joint(X, sigma, alpha):\n"
        "    S, T = limits(np.arccos(np.clip(X @ X.T, -1, 1)), 0.0)\n"
        "    return np.linalg.eigvalsh(sigma**2 * S + alpha**2 * T)[0]",
    ),
    "lowest with scales that are not squared": Variant(
        False,
        ("scales-lowest",),
        "def lowest_joint(X, sigma, alpha):\n"
        "    S, T = limits(np.arccos(np.clip(X @ X.T, -1, 1)), 0.0)\n"
        "    return np.linalg.eigvalsh(alpha * S + sigma * T)[0]",
    ),
    "lowest as a sum of two": Variant(
        False,
        ("scales-lowest",),
        "def lowest_joint(X, sigma, alpha):\n"
        "    S, T = limits(np.arccos(np.clip(X @ X.T, -1, 1)), 0.0)\n"
        "    return alpha**2 * np.linalg.eigvalsh(S)[0] + sigma**2 * np.linalg.eigvalsh(T)[0]",
    ),
}
