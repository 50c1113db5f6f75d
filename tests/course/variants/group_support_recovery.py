"""Group support recovery: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "groups by formula": Variant(
        True,
        ("by-hand-shrunk", "by-hand-window"),
        "def two_groups():\n    return 0.6 * np.array([3, 4]), 9 / 5, 9 / 5, 5",
    ),
    "entries shrunk one by one": Variant(
        False, ("by-hand-shrunk",), "def two_groups():\n    return np.array([1.0, 2.0]), 1.8, 1.8, 5.0"
    ),
    "window from entries": Variant(
        False, ("by-hand-window",), "def two_groups():\n    return np.array([1.8, 2.4]), 1.8, 1.8, 3.0"
    ),
    "shrinkage in loops": Variant(
        True,
        ("encoder-shrink",),
        "def shrink(Z, lam, d):\n"
        "    X = Z.copy()\n"
        "    for row in X:\n"
        "        for start in range(0, len(row), d):\n"
        "            norm = np.linalg.norm(row[start : start + d])\n"
        "            row[start : start + d] *= 0 if norm <= lam else 1 - lam / norm\n"
        "    return X",
    ),
    "shrinkage of entries": Variant(
        False, ("encoder-shrink",), "def shrink(Z, lam, d):\n    return np.sign(Z) * np.maximum(abs(Z) - lam, 0)"
    ),
    "threshold in place of shrinkage": Variant(
        False,
        ("encoder-shrink",),
        "def shrink(Z, lam, d):\n"
        "    groups = Z.reshape(len(Z), -1, d)\n"
        "    return (groups * (np.linalg.norm(groups, axis=2, keepdims=True) > lam)).reshape(Z.shape)",
    ),
    "shrinkage that divides by zero": Variant(
        False,
        ("encoder-shrink",),
        "def shrink(Z, lam, d):\n"
        "    groups = Z.reshape(len(Z), -1, d)\n"
        "    with np.errstate(all='ignore'):\n"
        "        factor = 1 - lam / np.linalg.norm(groups, axis=2, keepdims=True)\n"
        "        return (np.maximum(factor, 0) * groups + 0 * factor * groups).reshape(Z.shape)",
    ),
    "active by norms": Variant(
        True,
        ("encoder-active",),
        "def active_groups(X, d):\n"
        "    sums = [[np.abs(x[s : s + d]).sum() for s in range(0, len(x), d)] for x in X]\n"
        "    return (np.array(sums) > 0).astype(int)",
    ),
    "active when all entries are": Variant(
        False,
        ("encoder-active",),
        "def active_groups(X, d):\n    return (X.reshape(len(X), -1, d) != 0).all(axis=2)",
    ),
    "active entries": Variant(False, ("encoder-active",), "def active_groups(X, d):\n    return X != 0"),
    "window in loops": Variant(
        True,
        ("window-low", "window-high"),
        "def window(Z, active, d):\n"
        "    low, high = 0.0, np.inf\n"
        "    for z, on in zip(Z, active):\n"
        "        for g, is_on in enumerate(on):\n"
        "            norm = np.linalg.norm(z[g * d : g * d + d])\n"
        "            low, high = (low, min(high, norm)) if is_on else (max(low, norm), high)\n"
        "    return low, high",
    ),
    "window of an average sample": Variant(
        False,
        ("window-low", "window-high"),
        "def window(Z, active, d):\n"
        "    norms = np.linalg.norm(Z.reshape(len(Z), -1, d), axis=2)\n"
        "    return norms[~active].mean(), norms[active].mean()",
    ),
    "window with ends exchanged": Variant(
        False,
        ("window-low", "window-high"),
        "def window(Z, active, d):\n"
        "    norms = np.linalg.norm(Z.reshape(len(Z), -1, d), axis=2)\n"
        "    return norms[active].min(), norms[~active].max()",
    ),
    "rate in a loop": Variant(
        True,
        ("rate-active", "rate-idle"),
        "def recovery_rate(A, W, lam, d, b_min, b_max, n_samples, seed):\n"
        "    rng = np.random.RandomState(seed % 2**31)\n"
        "    n_groups, found = A.shape[1] // d, 0\n"
        "    for _ in range(n_samples):\n"
        "        g = rng.randint(n_groups)\n"
        "        x = rng.normal(size=d)\n"
        "        x *= rng.uniform(b_min, b_max) / np.sqrt(x @ x)\n"
        "        z = W.T @ (A[:, g * d : g * d + d] @ x)\n"
        "        survive = np.flatnonzero((z.reshape(-1, d) ** 2).sum(axis=1) > lam**2)\n"
        "        found += list(survive) == [g]\n"
        "    return found / n_samples",
    ),
    "rate with norms of one size": Variant(
        False,
        ("rate-active", "rate-idle"),
        "def recovery_rate(A, W, lam, d, b_min, b_max, n_samples, seed):\n"
        "    middle = (b_min + b_max) / 2\n"
        "    n_groups = A.shape[1] // d\n"
        "    codes = np.kron(np.eye(n_groups), np.eye(d)[:1]) * middle\n"
        "    codes = codes[np.random.default_rng(seed).integers(n_groups, size=n_samples)]\n"
        "    found = active_groups(shrink(codes @ A.T @ W, lam, d), d) == active_groups(codes, d)\n"
        "    return found.all(axis=1).mean()",
    ),
    "rate of active groups only": Variant(
        False,
        ("rate-idle",),
        "def recovery_rate(A, W, lam, d, b_min, b_max, n_samples, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    n_groups = A.shape[1] // d\n"
        "    g = rng.integers(n_groups, size=n_samples)\n"
        "    x = rng.standard_normal((n_samples, d))\n"
        "    x *= rng.uniform(b_min, b_max, (n_samples, 1)) / np.linalg.norm(x, axis=1, keepdims=True)\n"
        "    codes = np.zeros((n_samples, n_groups, d))\n"
        "    codes[np.arange(n_samples), g] = x\n"
        "    Z = (codes.reshape(n_samples, -1) @ A.T @ W).reshape(n_samples, -1, d)\n"
        "    return np.mean(np.linalg.norm(Z[np.arange(n_samples), g], axis=1) > lam)",
    ),
    "loudest by eigenvalues": Variant(
        True,
        ("loudest-norm",),
        "def loudest(A_g, A_h, b_max):\n"
        "    M = A_g.T @ A_h\n"
        "    return b_max * np.sqrt(np.linalg.eigvalsh(M @ M.T).max())",
    ),
    "loudest as printed": Variant(
        False,
        ("loudest-norm",),
        "def loudest(A_g, A_h, b_max):\n    return b_max * np.linalg.norm(A_g.T @ A_h, 2) / A_g.shape[1]",
    ),
    "loudest with the Frobenius norm": Variant(
        False,
        ("loudest-norm",),
        "def loudest(A_g, A_h, b_max):\n    return b_max * np.linalg.norm(A_g.T @ A_h)",
    ),
    "loudest entry": Variant(
        False, ("loudest-norm",), "def loudest(A_g, A_h, b_max):\n    return b_max * abs(A_g.T @ A_h).max()"
    ),
}
