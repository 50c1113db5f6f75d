"""Code consistency: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "numbers with three digits": Variant(
        True,
        ("by-hand-sees", "by-hand-window"),
        "def two_units():\n    return [0.632, 0.8, 0.6, -0.8, -0.6]",
    ),
    "distance not under the root": Variant(
        False, ("by-hand-sees",), "def two_units():\n    return 0.4, 0.8, 0.6, -0.8, -0.6"
    ),
    "signs of the window": Variant(
        False, ("by-hand-window",), "def two_units():\n    return 0.632, 0.8, 0.6, 0.6, 0.8"
    ),
    "encoder with einsum": Variant(
        True,
        ("encoder-codes",),
        "def encode(W, b, Y):\n    z = np.einsum('ni,sn->si', W, Y) + b\n    return np.where(z > 0, z, 0)",
    ),
    "encoder with the sign of the bias": Variant(
        False, ("encoder-codes",), "def encode(W, b, Y):\n    return np.maximum(Y @ W - b, 0)"
    ),
    "encoder that adds the bias afterwards": Variant(
        False, ("encoder-codes",), "def encode(W, b, Y):\n    return np.maximum(Y @ W, 0) + b"
    ),
    "share in a loop over lists": Variant(
        True,
        ("encoder-share",),
        "def share_exact(X, X_true):\n"
        "    agree = [set(np.flatnonzero(x)) == set(np.flatnonzero(t)) for x, t in zip(X, X_true)]\n"
        "    return sum(agree) / len(agree)",
    ),
    "share of entries": Variant(
        False, ("encoder-share",), "def share_exact(X, X_true):\n    return np.mean((X != 0) == (X_true != 0))"
    ),
    "share that forgives spurious entries": Variant(
        False,
        ("encoder-share",),
        "def share_exact(X, X_true):\n    return np.mean(((X != 0) | (X_true == 0)).all(axis=1))",
    ),
    "worst unit by angles": Variant(
        True,
        ("worst-feasible", "worst-best"),
        "def worst_unit(a, s, delta):\n"
        "    Q, R = np.linalg.qr(np.column_stack([a, s]))\n"
        "    Q = Q * np.sign(np.diag(R))\n"
        "    angle = 2 * np.arcsin(delta / 2)\n"
        "    return Q @ [np.cos(angle), np.sin(angle)]",
    ),
    "worst unit by optimisation": Variant(
        True,
        ("worst-feasible", "worst-best"),
        "def worst_unit(a, s, delta):\n"
        "    from scipy.optimize import minimize\n"
        "    constraints = [{'type': 'eq', 'fun': lambda w: w @ w - 1},\n"
        "                   {'type': 'eq', 'fun': lambda w: w @ a - 1 + delta**2 / 2}]\n"
        "    return minimize(lambda w: -w @ s, a + 0.1 * s, constraints=constraints, options={'ftol': 1e-14}).x",
    ),
    "worst unit not normalised": Variant(
        False,
        ("worst-feasible", "worst-best"),
        "def worst_unit(a, s, delta):\n    return a + delta * s / np.linalg.norm(s)",
    ),
    "worst unit towards s itself": Variant(
        False,
        ("worst-feasible", "worst-best"),
        "def worst_unit(a, s, delta):\n    w = a + delta * s / np.linalg.norm(s)\n    return w / np.linalg.norm(w)",
    ),
    "worst unit away from s": Variant(
        False,
        ("worst-best",),
        "def worst_unit(a, s, delta):\n"
        "    t = (a @ s) * a - s\n"
        "    return (1 - delta**2 / 2) * a + delta * np.sqrt(1 - delta**2 / 4) * t / np.linalg.norm(t)",
    ),
    "upper end by partition": Variant(
        True,
        ("threshold-end",),
        "def upper_end(A, W, k):\n"
        "    seen = W.T @ A - 100 * np.eye(A.shape[1])\n"
        "    return -np.partition(seen, -k, axis=1)[:, -k:].sum(axis=1).max()",
    ),
    "upper end with active units": Variant(
        False,
        ("threshold-end",),
        "def upper_end(A, W, k):\n    return -np.sort(W.T @ A, axis=1)[:, -k:].sum(axis=1).max()",
    ),
    "upper end with the wrong sign": Variant(
        False,
        ("threshold-end",),
        "def upper_end(A, W, k):\n"
        "    return max((W.T @ A)[i, list(S)].sum() for S in combinations(range(A.shape[1]), k)\n"
        "               for i in range(A.shape[1]) if i not in S)",
    ),
    "rate with another generator": Variant(
        True,
        ("threshold-rate",),
        "def recovery_rate(A, W, b, k, n_samples, seed):\n"
        "    import random\n"
        "    random.seed(seed)\n"
        "    found = 0\n"
        "    for _ in range(n_samples):\n"
        "        S = random.sample(range(A.shape[1]), k)\n"
        "        z = W.T @ A[:, S].sum(axis=1) + b\n"
        "        found += set(np.flatnonzero(z > 0)) == set(S)\n"
        "    return found / n_samples",
    ),
    "rate with atoms drawn twice": Variant(
        False,
        ("threshold-rate",),
        "def recovery_rate(A, W, b, k, n_samples, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    codes = np.zeros((n_samples, A.shape[1]))\n"
        "    np.put_along_axis(codes, rng.integers(A.shape[1], size=(n_samples, k)), 1.0, axis=1)\n"
        "    return share_exact(encode(W, b, codes @ A.T), codes)",
    ),
    "rate of missed atoms only": Variant(
        False,
        ("threshold-rate",),
        "def recovery_rate(A, W, b, k, n_samples, seed):\n    return 1.0",
    ),
    "most active by search": Variant(
        True,
        ("coherent-count",),
        "def most_active(c, b, m):\n    return max(k for k in range(m) if k * c + b <= 0)",
    ),
    "most active for signed codes": Variant(
        False, ("coherent-count",), "def most_active(c, b, m):\n    return min(int((b / c) ** 2), m - 1)"
    ),
    "most active without the end": Variant(
        False, ("coherent-count",), "def most_active(c, b, m):\n    return int(-b / c)"
    ),
}
