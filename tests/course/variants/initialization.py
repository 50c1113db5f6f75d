"""Initialisation: other correct methods, and mistakes that students make."""

from variants import Variant

EXACT = (
    "def exact_distance(m, k, theta):\n"
    "    samples, u, v = [], np.zeros(m), np.zeros(m)\n"
    "    for S in combinations(range(m), k):\n"
    "        samples.append(np.zeros(m))\n"
    "        samples[-1][list(S)] = 1\n"
    "    u[:k], v[0], v[k : 2 * k - 1] = 1, 1, 1\n"
    "    {}\n"
    "    M = sum((y @ u) * (y @ v) * np.outer(y, y) for y in samples) / len(samples)\n"
    "    z, _ = leading(M)\n"
    "    return {}"
)

VARIANTS = {
    "numbers with three digits": Variant(
        True,
        ("by-hand-moment", "by-hand-eigenvector"),
        "def three_atoms():\n"
        "    M = [[1.333, 0.667, 0.667], [0.667, 1, 0.333], [0.667, 0.333, 1]]\n"
        "    return np.array(M), (0.707, 0.5, 0.5), 0.765",
    ),
    "moment as a sum": Variant(
        False,
        ("by-hand-moment",),
        "def three_atoms():\n    return np.array([[4, 2, 2], [2, 3, 1], [2, 1, 3]]), np.ones(3), 0.0",
    ),
    "moment without the third sample": Variant(
        False,
        ("by-hand-moment",),
        "def three_atoms():\n    return np.array([[4, 2, 2], [2, 2, 0], [2, 0, 2]]) / 3, np.ones(3), 0.0",
    ),
    "eigenvector that is not normalised": Variant(
        False,
        ("by-hand-eigenvector",),
        "def three_atoms():\n    return np.eye(3), np.array([np.sqrt(2), 1, 1]), 0.765",
    ),
    "sine in place of the distance": Variant(
        False,
        ("by-hand-eigenvector",),
        "def three_atoms():\n    return np.eye(3), np.array([np.sqrt(2), 1, 1]) / 2, np.sqrt(1 / 2)",
    ),
    "moment in a loop": Variant(
        True,
        ("pair-moment",),
        "def pair_moment(Y, i, j):\n"
        "    total = np.zeros((Y.shape[1], Y.shape[1]))\n"
        "    for s in range(len(Y)):\n"
        "        if s != i and s != j:\n"
        "            total += (Y[s] @ Y[i]) * (Y[s] @ Y[j]) * np.outer(Y[s], Y[s])\n"
        "    return total / (len(Y) - 2)",
    ),
    "moment less what the pair adds": Variant(
        True,
        ("pair-moment",),
        "def pair_moment(Y, i, j):\n"
        "    weights = (Y @ Y[i]) * (Y @ Y[j])\n"
        "    weights[[i, j]] = 0\n"
        "    return np.einsum('s,sa,sb->ab', weights, Y, Y) / (len(Y) - 2)",
    ),
    "moment with the pair in it": Variant(
        False,
        ("pair-moment",),
        "def pair_moment(Y, i, j):\n    return (Y * ((Y @ Y[i]) * (Y @ Y[j]))[:, None]).T @ Y / len(Y)",
    ),
    "moment divided by all": Variant(
        False,
        ("pair-moment",),
        "def pair_moment(Y, i, j):\n"
        "    X = np.delete(Y, [i, j], axis=0)\n"
        "    return (X * ((X @ Y[i]) * (X @ Y[j]))[:, None]).T @ X / len(Y)",
    ),
    "moment reweighted by one sample": Variant(
        False,
        ("pair-moment",),
        "def pair_moment(Y, i, j):\n"
        "    X = np.delete(Y, [i, j], axis=0)\n"
        "    return (X * (X @ Y[i])[:, None]).T @ X / len(X)",
    ),
    "leading by power iteration": Variant(
        True,
        ("pair-leading",),
        "def leading(M):\n"
        "    z = np.random.default_rng(0).standard_normal(len(M))\n"
        "    for _ in range(2000):\n"
        "        z = M @ z\n"
        "        z = z / np.linalg.norm(z)\n"
        "    mu = z @ M @ z\n"
        "    return z, np.linalg.norm(M - mu * np.outer(z, z), 2) / abs(mu)",
    ),
    "leading by singular values": Variant(
        True,
        ("pair-leading",),
        "def leading(M):\n    U, s, _ = np.linalg.svd(M)\n    return U[:, 0], s[1] / s[0]",
    ),
    "leading without the modulus": Variant(
        False,
        ("pair-leading",),
        "def leading(M):\n"
        "    values, vectors = np.linalg.eigh(M)\n"
        "    return vectors[:, -1], abs(values[-2] / values[-1])",
    ),
    "leading row": Variant(
        False,
        ("pair-leading",),
        "def leading(M):\n"
        "    values, vectors = np.linalg.eigh(M)\n"
        "    order = np.argsort(-abs(values))\n"
        "    return vectors[order[0]], abs(values[order[1]] / values[order[0]])",
    ),
    "ratio upside down": Variant(
        False,
        ("pair-leading",),
        "def leading(M):\n    U, s, _ = np.linalg.svd(M)\n    return U[:, 0], s[0] / s[1]",
    ),
    "keep by crossing out": Variant(
        True,
        ("columns-keep",),
        "def keep(Z, ratios, m):\n"
        "    left, parallel, kept = np.where(ratios <= 0.5, ratios, np.inf), np.abs(Z @ Z.T) > 0.7, []\n"
        "    while len(kept) < m and np.isfinite(left).any():\n"
        "        kept.append(int(left.argmin()))\n"
        "        left = np.where(parallel[kept[-1]], np.inf, left)\n"
        "    return kept",
    ),
    "keep without the modulus": Variant(
        False,
        ("columns-keep",),
        "def keep(Z, ratios, m):\n"
        "    kept = []\n"
        "    for p in np.argsort(ratios):\n"
        "        if len(kept) < m and ratios[p] <= 0.5 and all(Z[q] @ Z[p] <= 0.7 for q in kept):\n"
        "            kept.append(p)\n"
        "    return kept",
    ),
    "keep in the order of the rows": Variant(
        False,
        ("columns-keep",),
        "def keep(Z, ratios, m):\n"
        "    kept = []\n"
        "    for p in range(len(Z)):\n"
        "        if len(kept) < m and ratios[p] <= 0.5 and all(abs(Z[q] @ Z[p]) <= 0.7 for q in kept):\n"
        "            kept.append(p)\n"
        "    return kept",
    ),
    "keep without an end": Variant(
        False,
        ("columns-keep",),
        "def keep(Z, ratios, m):\n"
        "    kept = []\n"
        "    for p in np.argsort(ratios):\n"
        "        if ratios[p] <= 0.5 and all(abs(Z[q] @ Z[p]) <= 0.7 for q in kept):\n"
        "            kept.append(p)\n"
        "    return kept",
    ),
    "keep the least clear": Variant(
        False,
        ("columns-keep",),
        "def keep(Z, ratios, m):\n"
        "    kept = []\n"
        "    for p in np.argsort(-ratios):\n"
        "        if len(kept) < m and all(abs(Z[q] @ Z[p]) <= 0.7 for q in kept):\n"
        "            kept.append(p)\n"
        "    return kept",
    ),
    "turn by scipy": Variant(
        True,
        ("columns-turn",),
        "def turn(z, Y):\n    from scipy.stats import skew\n    return z if skew(Y @ z) > 0 else -z",
    ),
    "turn by the mean": Variant(
        False, ("columns-turn",), "def turn(z, Y):\n    return z if (Y @ z).mean() > 0 else -z"
    ),
    "turn without centring": Variant(
        False, ("columns-turn",), "def turn(z, Y):\n    return z if ((Y @ z) ** 3).sum() > 0 else -z"
    ),
    "turn to the left": Variant(
        False,
        ("columns-turn",),
        "def turn(z, Y):\n    p = Y @ z\n    return -z if ((p - p.mean()) ** 3).sum() > 0 else z",
    ),
    "exact distance by the formula for the moment": Variant(
        True,
        ("exact-distance", "exact-needed"),
        "def exact_distance(m, k, theta):\n"
        "    from aedyn.initialization import population_moment\n"
        "    x = np.zeros((m, 2))\n"
        "    x[:k, 0] = x[0, 1] = x[k : 2 * k - 1, 1] = 1\n"
        "    u, v = (x - theta * k / m).T\n"
        "    M = population_moment(np.eye(m), u, v, k, [1, 1, 1, 1], centre=theta)\n"
        "    z = np.linalg.svd(M)[0][:, 0]\n"
        "    return min(np.linalg.norm(z - np.eye(m)[0]), np.linalg.norm(z + np.eye(m)[0]))",
    ),
    "exact distance in a loop": Variant(
        True,
        ("exact-distance", "exact-needed"),
        EXACT.format(
            "samples, u, v = np.array(samples) - theta * k / m, u - theta * k / m, v - theta * k / m",
            "min(np.linalg.norm(z - s * np.eye(m)[0]) for s in (1, -1))",
        ),
    ),
    "exact distance with a raw pair": Variant(
        False,
        ("exact-distance",),
        EXACT.format("samples = np.array(samples) - theta * k / m", "np.sqrt(2 - 2 * abs(z[0]))"),
    ),
    "exact distance with the wrong mean": Variant(
        False,
        ("exact-distance",),
        EXACT.format(
            "samples, u, v = np.array(samples) - theta / m, u - theta / m, v - theta / m",
            "np.sqrt(2 - 2 * abs(z[0]))",
        ),
    ),
    "exact distance with all of the mean subtracted": Variant(
        False,
        ("exact-distance",),
        EXACT.format(
            "all_of_it = (theta > 0) * k / m\n"
            "    samples, u, v = np.array(samples) - all_of_it, u - all_of_it, v - all_of_it",
            "np.sqrt(2 - 2 * abs(z[0]))",
        ),
    ),
    "sine of the exact angle": Variant(
        False,
        ("exact-distance",),
        EXACT.format(
            "samples, u, v = np.array(samples) - theta * k / m, u - theta * k / m, v - theta * k / m",
            "np.sqrt(1 - z[0] ** 2)",
        ),
    ),
    "distance by first-order perturbation": Variant(
        False,
        ("exact-distance", "exact-needed"),
        "def exact_distance(m, k, theta):\n    return np.sqrt(m - 1) * abs((k - 1) / (m - 1) - theta * k / m)",
    ),
    "atoms needed by bisection": Variant(
        True,
        ("exact-needed",),
        "def atoms_needed(k, limit):\n"
        "    low, high = 2 * k - 2, 26\n"
        "    while high - low > 1:\n"
        "        middle = (low + high) // 2\n"
        "        low, high = (low, middle) if exact_distance(middle, k, 0) <= limit else (middle, high)\n"
        "    return high",
    ),
    "atoms needed, one too few": Variant(
        False,
        ("exact-needed",),
        "def atoms_needed(k, limit):\n"
        "    return max(m for m in range(2 * k - 1, 27) if exact_distance(m, k, 0) > limit)",
    ),
    "atoms needed after centring": Variant(
        False,
        ("exact-needed",),
        "def atoms_needed(k, limit):\n"
        "    return next(m for m in range(2 * k, 27) if exact_distance(m, k, 1 - 1 / k) <= limit)",
    ),
    "together by powers of the moment": Variant(
        True,
        ("together-distance",),
        "def together(q):\n"
        "    e = np.eye(4)\n"
        "    cases = [(1 - q, e[0]), (q, e[0] + e[1]), (1, e[1]), (1, e[2]), (1, e[3])]\n"
        "    M = sum(p / 4 * (y @ e[0]) ** 2 * np.outer(y, y) for p, y in cases)\n"
        "    z = np.linalg.matrix_power(M / np.trace(M), 64) @ e[0]\n"
        "    return np.linalg.norm(z / np.linalg.norm(z) - e[0])",
    ),
    "together to first order": Variant(False, ("together-distance",), "def together(q):\n    return q"),
    "together without the samples of one atom": Variant(
        False, ("together-distance",), "def together(q):\n    return np.sqrt(2 - np.sqrt(2))"
    ),
    "together with a pair of both atoms": Variant(
        False,
        ("together-distance",),
        "def together(q):\n"
        "    z, _ = leading(np.array([[1 + 3 * q, 4 * q], [4 * q, 4 * q + 1]]))\n"
        "    return np.sqrt(2 - 2 * abs(z[0]))",
    ),
    "sine for together": Variant(
        False, ("together-distance",), "def together(q):\n    return np.sin(np.arctan2(2 * q, 1 - q) / 2)"
    ),
}
