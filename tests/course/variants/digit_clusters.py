"""Digit clusters: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "group by formula": Variant(
        True,
        ("by-hand-two-sided", "by-hand-one-sided"),
        "def one_group():\n    return 0.6 * np.array([3, -4, 0]), (1, 0, 0), (3**2 + 4**2) ** 0.5",
    ),
    "group before the entries": Variant(
        False,
        ("by-hand-two-sided", "by-hand-one-sided"),
        "def one_group():\n    return [1.754, -2.443, 0.0], [1.754, 0.0, 0.0], 6.423",
    ),
    "sides after the norm": Variant(
        False,
        ("by-hand-one-sided",),
        "def one_group():\n    return [1.8, -2.4, 0.0], [1.8, 0.0, 0.0], 5.0",
    ),
    "signs forgotten": Variant(
        False,
        ("by-hand-two-sided",),
        "def one_group():\n    return [1.8, 2.4, 0.0], [1.0, 0.0, 0.0], 5.0",
    ),
    "proximal operator from the dual": Variant(
        True,
        ("prox-two-sided", "prox-one-sided"),
        "def prox(V, entry, group, d, nonnegative):\n"
        "    v = V.reshape(len(V), -1, d)\n"
        "    q = np.zeros_like(v)\n"
        "    for _ in range(50):\n"
        "        p = np.minimum(v - q, entry) if nonnegative else np.clip(v - q, -entry, entry)\n"
        "        q = v - p\n"
        "        q = q / np.maximum(np.linalg.norm(q, axis=2, keepdims=True) / group, 1)\n"
        "    return (v - p - q).reshape(V.shape)",
    ),
    "groups first": Variant(
        False,
        ("prox-two-sided", "prox-one-sided"),
        "def prox(V, entry, group, d, nonnegative):\n"
        "    v = V.reshape(len(V), -1, d)\n"
        "    norms = np.maximum(np.linalg.norm(v, axis=2, keepdims=True), 1e-300)\n"
        "    w = (np.maximum(1 - group / norms, 0) * v).reshape(V.shape)\n"
        "    return np.maximum(w - entry, 0) if nonnegative else np.sign(w) * np.maximum(abs(w) - entry, 0)",
    ),
    "entries kept in place of shortened": Variant(
        False,
        ("prox-two-sided", "prox-one-sided"),
        "def prox(V, entry, group, d, nonnegative):\n"
        "    w = np.where((V if nonnegative else abs(V)) > entry, V, 0).reshape(len(V), -1, d)\n"
        "    norms = np.maximum(np.linalg.norm(w, axis=2, keepdims=True), 1e-300)\n"
        "    return (np.maximum(1 - group / norms, 0) * w).reshape(V.shape)",
    ),
    "proximal operator that divides by zero": Variant(
        False,
        ("prox-two-sided",),
        "def prox(V, entry, group, d, nonnegative):\n"
        "    w = (np.sign(V) * np.maximum(abs(V) - entry, 0)).reshape(len(V), -1, d)\n"
        "    with np.errstate(all='ignore'):\n"
        "        norms = np.linalg.norm(w, axis=2, keepdims=True)\n"
        "        return (np.maximum(norms - group, 0) * w / norms).reshape(V.shape)",
    ),
    "one-sided codes as two-sided ones": Variant(
        False,
        ("prox-one-sided",),
        "two_sided_only = prox\n"
        "def prox(V, entry, group, d, nonnegative):\n    return two_sided_only(V, entry, group, d, False)",
    ),
    "steps in pixels of another image": Variant(
        True,
        ("unfold-step", "unfold-codes"),
        "def proximal_step(X, U, G, lam, d, scaled):\n"
        "    W = np.linalg.cholesky(G).T\n"
        "    Y, length = np.linalg.solve(W.T, U.T), 1 / np.linalg.norm(W, 2) ** 2\n"
        "    V = X + length * (W.T @ (Y - W @ X.T)).T\n"
        "    for x in V:\n"
        "        for start in range(0, len(x), d):\n"
        "            norm, threshold = np.linalg.norm(x[start : start + d]), length * lam if scaled else lam\n"
        "            x[start : start + d] *= 0 if norm <= threshold else 1 - threshold / norm\n"
        "    return V",
    ),
    "codes of the package": Variant(
        True,
        ("unfold-codes",),
        "def codes(U, G, lam, d, n_steps, scaled):\n"
        "    from aedyn.dictionaries import make_groups\n"
        "    from aedyn.unfolded import Unfolded\n"
        "    W, groups = np.linalg.cholesky(G).T, make_groups(len(G), group_size=d)\n"
        "    network = Unfolded(lam, groups=groups, n_steps=n_steps, accelerated=False, scaled=scaled)\n"
        "    return encode(W, np.linalg.solve(W.T, U.T).T.copy(), network)",
    ),
    "step without the square": Variant(
        False,
        ("unfold-step", "unfold-codes"),
        "def proximal_step(X, U, G, lam, d, scaled):\n"
        "    length = 1 / np.sqrt(np.linalg.eigvalsh(G)[-1])\n"
        "    return prox(X + length * (U - X @ G), 0.0, length * lam if scaled else lam, d, False)",
    ),
    "step uphill": Variant(
        False,
        ("unfold-step", "unfold-codes"),
        "def proximal_step(X, U, G, lam, d, scaled):\n"
        "    length = 1 / np.linalg.eigvalsh(G)[-1]\n"
        "    return prox(X - length * (U - X @ G), 0.0, length * lam if scaled else lam, d, False)",
    ),
    "threshold that ignores the step": Variant(
        False,
        ("unfold-step", "unfold-codes"),
        "def proximal_step(X, U, G, lam, d, scaled):\n"
        "    length = 1 / np.linalg.eigvalsh(G)[-1]\n"
        "    return prox(X + length * (U - X @ G), 0.0, lam, d, False)",
    ),
    "codes with momentum": Variant(
        False,
        ("unfold-codes",),
        "def codes(U, G, lam, d, n_steps, scaled):\n"
        "    X, Z, t = np.zeros_like(U), np.zeros_like(U), 1.0\n"
        "    for _ in range(n_steps):\n"
        "        before, X, s = X, proximal_step(Z, U, G, lam, d, scaled), (1 + np.sqrt(1 + 4 * t * t)) / 2\n"
        "        Z, t = X + (t - 1) / s * (X - before), s\n"
        "    return X",
    ),
    "threshold by bisection": Variant(
        True,
        ("threshold-scaled", "threshold-plain"),
        "def silent_from(a, b, c, scaled):\n"
        "    G, U, low, high = np.array([[1, c], [c, 1]]), np.array([[a, b]]), 0.0, a\n"
        "    for _ in range(12):\n"
        "        lam = (low + high) / 2\n"
        "        low, high = (low, lam) if codes(U, G, lam, 1, 300, scaled)[0, 1] == 0 else (lam, high)\n"
        "    return high",
    ),
    "threshold of one step": Variant(
        False,
        ("threshold-scaled", "threshold-plain"),
        "def silent_from(a, b, c, scaled):\n    return b if scaled else b / (1 + c)",
    ),
    "threshold when the first code is not shortened": Variant(
        False,
        ("threshold-scaled", "threshold-plain"),
        "def silent_from(a, b, c, scaled):\n    return (b - c * a) / (1 if scaled else 1 + c)",
    ),
    "the step does not matter": Variant(
        False, ("threshold-plain",), "def silent_from(a, b, c, scaled):\n    return (b - c * a) / (1 - c)"
    ),
    "the step on the wrong side": Variant(
        False,
        ("threshold-plain",),
        "def silent_from(a, b, c, scaled):\n    return (b - c * a) / (1 - c) * (1 if scaled else 1 + c)",
    ),
    "accuracy over all orders": Variant(
        True,
        ("judge-accuracy", "judge-matching"),
        "def matched_accuracy(labels, digits):\n"
        "    from itertools import permutations\n"
        "    clusters, kinds = sorted(set(labels)), sorted(set(digits))\n"
        "    kinds = kinds + [None] * max(len(clusters) - len(kinds), 0)\n"
        "    best = 0\n"
        "    for order in permutations(kinds, len(clusters)):\n"
        "        partner = dict(zip(clusters, order))\n"
        "        best = max(best, sum(partner[c] == d for c, d in zip(labels, digits)))\n"
        "    return best / len(digits)",
    ),
    "accuracy of the numbers": Variant(
        False,
        ("judge-accuracy", "judge-matching"),
        "def matched_accuracy(labels, digits):\n    return np.mean(labels == digits)",
    ),
    "accuracy of the commonest digit": Variant(
        False,
        ("judge-matching",),
        "def matched_accuracy(labels, digits):\n"
        "    right = sum(np.bincount(digits[labels == c]).max() for c in set(labels))\n"
        "    return right / len(digits)",
    ),
    "accuracy with the first come first served": Variant(
        False,
        ("judge-matching",),
        "def matched_accuracy(labels, digits):\n"
        "    counts = np.array([[np.sum((labels == c) & (digits == d)) for d in set(digits)] for c in set(labels)])\n"
        "    right = 0\n"
        "    for _ in range(min(counts.shape)):\n"
        "        c, d = np.unravel_index(counts.argmax(), counts.shape)\n"
        "        right += counts[c, d]\n"
        "        counts[c], counts[:, d] = -1, -1\n"
        "    return right / len(digits)",
    ),
    "modularity by pairs": Variant(
        True,
        ("judge-modularity",),
        "def modularity(graph, labels):\n"
        "    degrees, total = graph.sum(axis=0), graph.sum()\n"
        "    surplus = graph - np.outer(degrees, degrees) / total\n"
        "    return surplus[np.equal.outer(labels, labels)].sum() / total",
    ),
    "modularity with edges counted once": Variant(
        False,
        ("judge-modularity",),
        "def modularity(graph, labels):\n"
        "    members = (np.unique(labels)[:, None] == labels).astype(float)\n"
        "    shares = members @ graph @ members.T / graph.sum()\n"
        "    return np.trace(shares) / 2 - np.square(shares.sum(axis=1)).sum()",
    ),
    "modularity with shares of images": Variant(
        False,
        ("judge-modularity",),
        "def modularity(graph, labels):\n"
        "    members = (np.unique(labels)[:, None] == labels).astype(float)\n"
        "    inside = np.trace(members @ graph @ members.T) / graph.sum()\n"
        "    return inside - np.square(members.mean(axis=1)).sum()",
    ),
    "modularity without the square": Variant(
        False,
        ("judge-modularity",),
        "def modularity(graph, labels):\n"
        "    members = (np.unique(labels)[:, None] == labels).astype(float)\n"
        "    shares = members @ graph @ members.T / graph.sum()\n"
        "    return np.trace(shares) - shares.sum()",
    ),
}
