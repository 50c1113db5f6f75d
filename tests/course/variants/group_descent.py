"""Descent in groups: other correct methods, and mistakes that students make."""

from variants import Variant

GRADIENT = (
    "def gradient(W, Y, lam, d):\n"
    "    G, least = np.zeros(W.shape), lam\n"
    "    for y in Y:\n"
    "        groups = [slice(s, s + d) for s in range(0, W.shape[1], d)]\n"
    "        groups = [g for g in groups if np.linalg.norm(y @ W[:, g]) > least]\n"
    "        taus = [1 - lam / np.linalg.norm(y @ W[:, g]) for g in groups]\n"
    "        r = y - sum(tau * W[:, g] @ (y @ W[:, g]) for g, tau in zip(groups, taus))\n"
    "        for g, tau in zip(groups, taus):\n"
    "            z, factor = y @ W[:, g], 1\n"
    "            J = tau * np.eye(d) + (1 - tau) * np.outer(z, z) / (z @ z)\n"
    "            # change\n"
    "            G[:, g] -= factor * tau * np.outer(r, z) + np.outer(y, J @ W[:, g].T @ r)\n"
    "    return G / len(Y)"
)

DESCEND = (
    "def descend(A, W, tau, u, n_steps):\n"
    "    path = [tangents(W, A)]\n"
    "    for _ in range(n_steps):\n"
    "        M = W.T @ A\n"
    "        W = W + {}\n"
    "        W = {}\n"
    "        path.append(tangents(W, A))\n"
    "    return np.array(path)"
)
STEP = "u * tau * (2 - tau) * A @ M.T - u * tau**2 * W @ M @ M.T"

VARIANTS = {
    "step in fractions": Variant(
        True,
        ("by-hand-gradient", "by-hand-distances"),
        "def turned_group():\n"
        "    G = -2 * 4 / 5 * 1 / 5 * np.array([[4, -3], [3, 4], [0, 0]]) / 5\n"
        "    W, A = np.array([[0.8, -0.6], [0.6, 0.8], [0, 0]]), np.eye(3, 2)\n"
        "    return G[:, 0], 4 / 5, ((W - G - A) ** 2).sum()",
    ),
    "gradient with the wrong sign, by hand": Variant(
        False,
        ("by-hand-gradient", "by-hand-distances"),
        "def turned_group():\n    return np.array([0.256, 0.192, 0]), 0.8, 0.7568",
    ),
    "gradient without its first part": Variant(
        False,
        ("by-hand-gradient",),
        "def turned_group():\n    return np.array([-0.768, -0.576, 0]), 0.8, 1.2608",
    ),
    "distance of one column": Variant(
        False, ("by-hand-distances",), "def turned_group():\n    return np.zeros(3), 0.4, 0.6304"
    ),
    "distances that are not squared": Variant(
        False, ("by-hand-distances",), "def turned_group():\n    return np.zeros(3), 0.8**0.5, 1.2608**0.5"
    ),
    "gradient in loops, with a matrix": Variant(
        True,
        ("gradient-one", "gradient-many"),
        GRADIENT,
    ),
    "gradient by finite differences": Variant(
        True,
        ("gradient-one", "gradient-many"),
        "def gradient(W, Y, lam, d):\n"
        "    def loss(V):\n"
        "        Z = (Y @ V).reshape(len(Y), -1, d)\n"
        "        X = np.maximum(1 - lam / np.linalg.norm(Z, axis=2, keepdims=True), 0) * Z\n"
        "        return 0.5 * ((Y - X.reshape(len(Y), -1) @ V.T) ** 2).sum() / len(Y)\n"
        "    G = np.empty(W.shape)\n"
        "    for k in np.ndindex(W.shape):\n"
        "        E = np.zeros(W.shape)\n"
        "        E[k] = 3e-5\n"
        "        G[k] = (loss(W + E) - loss(W - E)) / 6e-5\n"
        "    return G",
    ),
    "gradient of the paper": Variant(
        False,
        ("gradient-one", "gradient-many"),
        GRADIENT.replace("# change", "J = tau * np.eye(d)"),
    ),
    "gradient of the paper, entry by entry": Variant(
        False,
        ("gradient-one", "gradient-many"),
        GRADIENT.replace("# change", "J = np.diag(np.diag(J))"),
    ),
    "gradient with the eigenvalues exchanged": Variant(
        False,
        ("gradient-one", "gradient-many"),
        GRADIENT.replace("# change", "J = (1 + tau) * np.eye(d) - J"),
    ),
    "gradient of the encoder only": Variant(
        False,
        ("gradient-one", "gradient-many"),
        GRADIENT.replace("# change", "factor = 0"),
    ),
    "gradient as a sum": Variant(
        False,
        ("gradient-one", "gradient-many"),
        GRADIENT.replace(" / len(Y)", ""),
    ),
    "gradient uphill in the decoder": Variant(
        False,
        ("gradient-one", "gradient-many"),
        GRADIENT.replace("# change", "factor = -1"),
    ),
    "gradient without the threshold": Variant(
        False,
        ("gradient-many",),
        GRADIENT.replace("least = np.zeros(W.shape), lam", "least = np.zeros(W.shape), 0"),
    ),
    "tangents from cosines": Variant(
        True,
        ("descent-tangents", "descent-path"),
        "def tangents(W, A):\n"
        "    c = np.minimum(np.linalg.svd(W.T @ A)[1], 1)\n"
        "    return np.sort(np.sqrt(1 - c**2) / c)[::-1]",
    ),
    "tangents by scipy": Variant(
        True,
        ("descent-tangents", "descent-path"),
        "def tangents(W, A):\n    from scipy.linalg import subspace_angles\n    return np.tan(subspace_angles(W, A))",
    ),
    "tangents of the columns": Variant(
        False,
        ("descent-tangents", "descent-path"),
        "def tangents(W, A):\n    c = abs((W * A).sum(axis=0))\n    return np.sort(np.sqrt(1 - c**2) / c)[::-1]",
    ),
    "tangents, smallest first": Variant(
        False,
        ("descent-tangents", "descent-path"),
        "def tangents(W, A):\n    c = np.minimum(np.linalg.svd(W.T @ A)[1], 1)\n    return np.sqrt(1 - c**2) / c",
    ),
    "sines": Variant(
        False,
        ("descent-tangents", "descent-path"),
        "def tangents(W, A):\n    return np.linalg.svd(W - A @ (A.T @ W), compute_uv=False)",
    ),
    "descent by the subspace law": Variant(
        True,
        ("descent-path",),
        "def descend(A, W, tau, u, n_steps):\n"
        "    path = [tangents(W, A)]\n"
        "    for _ in range(n_steps):\n"
        "        kept = 1 - u * tau**2 / (1 + path[-1] ** 2)\n"
        "        path.append(np.sort(np.abs(kept / (kept + u * tau * (2 - tau))) * path[-1])[::-1])\n"
        "    return path",
    ),
    "descent with a QR decomposition": Variant(True, ("descent-path",), DESCEND.format(STEP, "np.linalg.qr(W)[0]")),
    "descent uphill": Variant(
        False,
        ("descent-path",),
        DESCEND.format(f"-({STEP})", "np.linalg.qr(W)[0]"),
    ),
    "descent without the second part": Variant(
        False,
        ("descent-path",),
        DESCEND.format("u * tau * (2 - tau) * A @ M.T", "np.linalg.qr(W)[0]"),
    ),
    "descent with equal rates": Variant(
        False, ("descent-path",), DESCEND.format("u * tau**2 * (A @ M.T - W @ M @ M.T)", "np.linalg.qr(W)[0]")
    ),
    "descent that normalises columns": Variant(
        False, ("descent-path",), DESCEND.format(STEP, "W / np.linalg.norm(W, axis=0)")
    ),
    "descent without normalising": Variant(False, ("descent-path",), DESCEND.format(STEP, "W")),
    "largest step by bisection": Variant(
        True,
        ("end-step",),
        "def largest_step(tau):\n"
        "    A, W = np.array([[1.0], [0.0]]), np.array([[np.cos(1e-4)], [np.sin(1e-4)]])\n"
        "    low, high = 0.0, 100.0\n"
        "    for _ in range(40):\n"
        "        middle = (low + high) / 2\n"
        "        before, after = descend(A, W, tau, middle, 1)[:, 0]\n"
        "        low, high = (low, middle) if after > before else (middle, high)\n"
        "    return low",
    ),
    "largest step of the theorem": Variant(
        False, ("end-step",), "def largest_step(tau):\n    return 1 / (tau * (2 - tau))"
    ),
    "largest step without normalising": Variant(False, ("end-step",), "def largest_step(tau):\n    return 2 / tau**2"),
    "largest step at which nothing is reflected": Variant(
        False, ("end-step",), "def largest_step(tau):\n    return 1 / tau**2"
    ),
    "limit by iteration": Variant(
        True,
        ("end-limit",),
        "def ends_at(A, W):\n"
        "    for _ in range(60):\n"
        "        N, _, Vt = np.linalg.svd(W + 0.6 * A @ A.T @ W - 0.5 * W @ W.T @ A @ A.T @ W, full_matrices=False)\n"
        "        W = N @ Vt\n"
        "    return W",
    ),
    "limit by an inverse root": Variant(
        True,
        ("end-limit",),
        "def ends_at(A, W):\n"
        "    P = A @ (A.T @ W)\n"
        "    values, vectors = np.linalg.eigh(P.T @ P)\n"
        "    return P @ (vectors / np.sqrt(values)) @ vectors.T",
    ),
    "limit of the theorem": Variant(False, ("end-limit",), "def ends_at(A, W):\n    return A"),
    "limit that is not normalised": Variant(False, ("end-limit",), "def ends_at(A, W):\n    return A @ (A.T @ W)"),
    "limit with normalised columns": Variant(
        False,
        ("end-limit",),
        "def ends_at(A, W):\n    P = A @ (A.T @ W)\n    return P / np.linalg.norm(P, axis=0)",
    ),
    "limit turned back": Variant(
        False,
        ("end-limit",),
        "def ends_at(A, W):\n    V, _, Ut = np.linalg.svd(W.T @ A)\n    return A @ V @ Ut",
    ),
    "pull in closed form": Variant(
        True,
        ("pull-norm",),
        "def pull(E, B, lam):\n    return lam * (2 * B - lam) * np.sum(E.mean(axis=0) ** 2)",
    ),
    "pull of the approximate gradient": Variant(
        False,
        ("pull-norm",),
        "def pull(E, B, lam):\n    return 2 * lam * (B - lam) * np.sum(E.mean(axis=0) ** 2)",
    ),
    "pull of the decoder": Variant(
        False,
        ("pull-norm",),
        "def pull(E, B, lam):\n    return lam * (B - lam) * np.sum(E.mean(axis=0) ** 2)",
    ),
    "pull of one sample": Variant(False, ("pull-norm",), "def pull(E, B, lam):\n    return lam * (2 * B - lam)"),
    "pull of the whole gradient": Variant(
        False,
        ("pull-norm",),
        "def pull(E, B, lam):\n"
        "    d = E.shape[1]\n"
        "    Y = B * np.array([[*first, *second] for first in E for second in E])\n"
        "    return np.linalg.norm(gradient(np.eye(2 * d), Y, lam, d)[:, :d])",
    ),
}
