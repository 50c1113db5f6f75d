"""Joint training: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "step by kernels and digits": Variant(
        True,
        ("by-hand-kernels", "by-hand-after"),
        "def one_step():\n    return [0.5, 0.5, 1.25, 0.25, -0.406]",
    ),
    "kernels of all units": Variant(
        False, ("by-hand-kernels",), "def one_step():\n    return 0.5, 1.0, 2.5, 0.25, -0.40625"
    ),
    "step of both layers as the kernel says": Variant(
        False, ("by-hand-after",), "def one_step():\n    return 0.5, 0.5, 1.25, 0.25, (1 - 1.75) * 0.5"
    ),
    "step uphill": Variant(False, ("by-hand-after",), "def one_step():\n    return 0.5, 0.5, 1.25, 0.75, 1.34375"),
    "network in loops": Variant(
        True,
        ("network-outputs", "network-gradients"),
        "def outputs(W, A, X):\n"
        "    (d, m), U = W.shape, []\n"
        "    for x in X:\n"
        "        U.append(sum(A[:, r] * max(float(W[:, r] @ x), 0) for r in range(m)) / (m * d) ** 0.5)\n"
        "    return np.array(U)\n"
        "def gradients(W, A, X):\n"
        "    of_W, of_A, E = np.zeros(W.shape), np.zeros(W.shape), X - outputs(W, A, X)\n"
        "    for i, r in np.ndindex(len(X), W.shape[1]):\n"
        "        z = W[:, r] @ X[i]\n"
        "        if z > 0:\n"
        "            of_W[:, r] -= (A[:, r] @ E[i]) * X[i] / np.sqrt(W.size)\n"
        "            of_A[:, r] -= z * E[i] / np.sqrt(W.size)\n"
        "    return of_W, of_A",
    ),
    "gradient by central differences": Variant(
        True,
        ("network-gradients",),
        "def gradients(W, A, X):\n"
        "    both, h = np.array([W, A], dtype=float), 1e-6\n"
        "    slopes = np.zeros_like(both)\n"
        "    for place in np.ndindex(both.shape):\n"
        "        for sign in (1, -1):\n"
        "            moved = both.copy()\n"
        "            moved[place] += sign * h\n"
        "            slopes[place] += sign * ((X - outputs(*moved, X)) ** 2).sum() / (4 * h)\n"
        "    return tuple(slopes)",
    ),
    "outputs over the root of m": Variant(
        False,
        ("network-outputs",),
        "def outputs(W, A, X):\n    return np.maximum(X @ W, 0) @ A.T / np.sqrt(W.shape[1])",
    ),
    "outputs without the activation": Variant(
        False, ("network-outputs",), "def outputs(W, A, X):\n    return X @ W @ A.T / np.sqrt(W.size)"
    ),
    "gradient of (4.2)": Variant(
        False,
        ("network-gradients",),
        "def gradients(W, A, X):\n"
        "    errors, seen = X - outputs(W, A, X), X @ W\n"
        "    inner = (X * errors).sum(axis=1)\n"
        "    of_W = -A * ((seen >= 0) * inner[:, None]).sum(axis=0) / np.sqrt(W.size)\n"
        "    return of_W, -errors.T @ np.maximum(seen, 0) / np.sqrt(W.size)",
    ),
    "gradient with the wrong sign": Variant(
        False,
        ("network-gradients", "training-losses"),
        "def gradients(W, A, X):\n"
        "    errors, seen = X - outputs(W, A, X), X @ W\n"
        "    of_W = X.T @ ((seen >= 0) * (errors @ A)) / np.sqrt(W.size)\n"
        "    return of_W, errors.T @ np.maximum(seen, 0) / np.sqrt(W.size)",
    ),
    "gradient of silent units": Variant(
        False,
        ("network-gradients",),
        "def gradients(W, A, X):\n"
        "    errors, seen = X - outputs(W, A, X), X @ W\n"
        "    of_W = -X.T @ (errors @ A) / np.sqrt(W.size)\n"
        "    return of_W, -errors.T @ np.maximum(seen, 0) / np.sqrt(W.size)",
    ),
    "training unit by unit": Variant(
        True,
        ("training-start", "training-losses"),
        "def train(W, A, X, step, n_steps, moves_W, moves_A):\n"
        "    units, root, losses = [[w, a] for w, a in zip(W.T, A.T)], W.size**0.5, []\n"
        "    for k in range(n_steps + 1):\n"
        "        E = X - sum(np.outer(np.maximum(X @ w, 0), a) for w, a in units) / root\n"
        "        losses.append(np.vdot(E, E) / 2)\n"
        "        if k < n_steps:\n"
        "            units = [\n"
        "                [w + step * moves_W / root * X.T @ ((X @ w > 0) * (E @ a)),\n"
        "                 a + step * moves_A / root * E.T @ np.maximum(X @ w, 0)]\n"
        "                for w, a in units\n"
        "            ]\n"
        "    return losses, np.array([w for w, _ in units]).T, np.array([a for _, a in units]).T",
    ),
    "training one layer after the other": Variant(
        False,
        ("training-losses",),
        "def train(W, A, X, step, n_steps, moves_W, moves_A):\n"
        "    losses = [0.5 * ((X - outputs(W, A, X)) ** 2).sum()]\n"
        "    for _ in range(n_steps):\n"
        "        W = W - moves_W * step * gradients(W, A, X)[0]\n"
        "        A = A - moves_A * step * gradients(W, A, X)[1]\n"
        "        losses.append(0.5 * ((X - outputs(W, A, X)) ** 2).sum())\n"
        "    return np.array(losses), W, A",
    ),
    "loss without the half": Variant(
        False,
        ("training-start", "training-losses"),
        "def train(W, A, X, step, n_steps, moves_W, moves_A):\n"
        "    losses = [((X - outputs(W, A, X)) ** 2).sum()]\n"
        "    for _ in range(n_steps):\n"
        "        of_W, of_A = gradients(W, A, X)\n"
        "        W, A = W - moves_W * step * of_W, A - moves_A * step * of_A\n"
        "        losses.append(((X - outputs(W, A, X)) ** 2).sum())\n"
        "    return np.array(losses), W, A",
    ),
    "losses without the start": Variant(
        False,
        ("training-start", "training-losses"),
        "def train(W, A, X, step, n_steps, moves_W, moves_A):\n    return np.zeros(n_steps), W, A",
    ),
    "both layers always move": Variant(
        False,
        ("training-start", "training-losses"),
        "def train(W, A, X, step, n_steps, moves_W, moves_A):\n"
        "    losses = [0.5 * ((X - outputs(W, A, X)) ** 2).sum()]\n"
        "    for _ in range(n_steps):\n"
        "        of_W, of_A = gradients(W, A, X)\n"
        "        W, A = W - step * of_W, A - step * of_A\n"
        "        losses.append(0.5 * ((X - outputs(W, A, X)) ** 2).sum())\n"
        "    return np.array(losses), W, A",
    ),
    "rate by looking at the starts": Variant(
        True,
        ("rate-encoder", "rate-joint"),
        "def success_rate(m, moves_A, n_trials, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    W, A = rng.standard_normal((n_trials, m)), rng.choice([-1, 1], (n_trials, m))\n"
        "    useful = (W > 0) & (W + A > 0) if moves_A else (W > 0) & (A > 0)\n"
        "    return useful.any(axis=1).mean()",
    ),
    "rate of a linear network": Variant(
        False,
        ("rate-encoder", "rate-joint"),
        "def success_rate(m, moves_A, n_trials, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    W, A = rng.standard_normal((n_trials, m)), rng.choice([-1.0, 1.0], (n_trials, m))\n"
        "    for _ in range(400):\n"
        "        pull = 0.2 / np.sqrt(m) * (1 - (A * W).sum(axis=1, keepdims=True) / np.sqrt(m))\n"
        "        W, A = W + pull * A, A + moves_A * pull * W\n"
        "    return np.mean((1 - (A * W).sum(axis=1) / np.sqrt(m)) ** 2 / 2 <= 1e-4)",
    ),
    "rate from normal decoders": Variant(
        False,
        ("rate-joint",),
        "def success_rate(m, moves_A, n_trials, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    W, A = rng.standard_normal((2, n_trials, m))\n"
        "    useful = (W > 0) & (W + A > 0) if moves_A else (W > 0) & (A > 0)\n"
        "    return useful.any(axis=1).mean()",
    ),
    "rate of starts with an active unit": Variant(
        False,
        ("rate-encoder", "rate-joint"),
        "def success_rate(m, moves_A, n_trials, seed):\n    return 1 - 0.5**m",
    ),
    "units from the slopes of an experiment": Variant(
        True,
        ("needed-units",),
        "def units_needed(delta, moves_A):\n"
        "    rng = np.random.default_rng(0)\n"
        "    W, A = rng.standard_normal((400_000, 4)), rng.choice([-1, 1], (400_000, 4))\n"
        "    useful = (W > 0) & (W + A > 0) if moves_A else (W > 0) & (A > 0)\n"
        "    return 4 * np.log(delta) / np.log(1 - useful.any(axis=1).mean())",
    ),
    "units when joint training turns every unit": Variant(
        False,
        ("needed-units",),
        "def units_needed(delta, moves_A):\n    return np.log(delta) / np.log(0.5 if moves_A else 0.75)",
    ),
    "units by the chance of success": Variant(
        False,
        ("needed-units",),
        "def units_needed(delta, moves_A):\n    return np.log(delta) / np.log(0.329 if moves_A else 0.25)",
    ),
    "outputs by training": Variant(
        True,
        ("signs-outputs",),
        "def final_outputs(w, moves_A):\n"
        "    X = np.array([[1.0], [-1.0]])\n"
        "    _, W, A = train(w[None], np.ones((1, len(w))), X, 0.05, 8000, True, moves_A)\n"
        "    return outputs(W, A, X)[:, 0]",
    ),
    "outputs as the theorem promises": Variant(
        False, ("signs-outputs",), "def final_outputs(w, moves_A):\n    return np.array([1.0, -1.0])"
    ),
    "outputs when joint training turns every unit": Variant(
        False,
        ("signs-outputs",),
        "def final_outputs(w, moves_A):\n    return np.array([1.0, -1.0 if moves_A and w.min() < 0 else 0.0])",
    ),
}
