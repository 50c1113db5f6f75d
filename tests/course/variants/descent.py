"""Descent: other correct methods, and mistakes that students make."""

from variants import Variant

VARIANTS = {
    "step in fractions": Variant(
        True,
        ("by-hand-gradient", "by-hand-tangents"),
        "def one_step():\n    return (-24 / 125, 18 / 125), 4 / 3, 64 / 123",
    ),
    "gradient without the probability": Variant(
        False, ("by-hand-gradient",), "def one_step():\n    return np.array([-0.384, 0.288]), 4 / 3, 64 / 123"
    ),
    "step uphill": Variant(
        False, ("by-hand-tangents",), "def one_step():\n    return np.array([-0.192, 0.144]), 4 / 3, 1.088 / 0.216"
    ),
    "gradient in loops": Variant(
        True,
        ("gradient-one", "gradient-many"),
        "def approximate_gradient(W, b, Y):\n"
        "    total = np.zeros(W.shape)\n"
        "    for y in Y:\n"
        "        x = np.maximum(W.T @ y + b, 0)\n"
        "        r = y - W @ x\n"
        "        for i in np.flatnonzero(x):\n"
        "            total[:, i] -= (W[:, i] @ y + b) * r + (W[:, i] @ r) * y\n"
        "    return total / len(Y)",
    ),
    "gradient with the wrong sign": Variant(
        False,
        ("gradient-one", "gradient-many"),
        "def approximate_gradient(W, b, Y):\n"
        "    X = np.maximum(Y @ W + b, 0)\n"
        "    R = Y - X @ W.T\n"
        "    return (R.T @ X + Y.T @ ((X > 0) * (R @ W))) / len(Y)",
    ),
    "gradient as a sum": Variant(
        False,
        ("gradient-one", "gradient-many"),
        "def approximate_gradient(W, b, Y):\n"
        "    X = np.maximum(Y @ W + b, 0)\n"
        "    R = Y - X @ W.T\n"
        "    return -(R.T @ X + Y.T @ ((X > 0) * (R @ W)))",
    ),
    "gradient of the decoder only": Variant(
        False,
        ("gradient-one", "gradient-many"),
        "def approximate_gradient(W, b, Y):\n"
        "    X = np.maximum(Y @ W + b, 0)\n"
        "    return -(Y - X @ W.T).T @ X / len(Y)",
    ),
    "gradient of silent units": Variant(
        False,
        ("gradient-many",),
        "def approximate_gradient(W, b, Y):\n"
        "    X = np.maximum(Y @ W + b, 0)\n"
        "    R = Y - X @ W.T\n"
        "    return -(R.T @ X + Y.T @ (R @ W)) / len(Y)",
    ),
    "descent by columns": Variant(
        True,
        ("descent-start", "descent-errors"),
        "def descend(A, W, step_size, n_steps):\n"
        "    m, columns, errors = A.shape[1], [w for w in W.T], []\n"
        "    for step in range(n_steps + 1):\n"
        "        errors.append(sum(np.sum((w - a) ** 2) for w, a in zip(columns, A.T)))\n"
        "        gradients = [-(w @ a) * a / m + (w @ a) ** 2 * w / m for w, a in zip(columns, A.T)]\n"
        "        columns = [w - step_size * g for w, g in zip(columns, gradients)]\n"
        "        columns = [w / np.sqrt(w @ w) for w in columns]\n"
        "    return errors",
    ),
    "descent without normalising": Variant(
        False,
        ("descent-errors",),
        "def descend(A, W, step_size, n_steps):\n"
        "    errors = [((W - A) ** 2).sum()]\n"
        "    for _ in range(n_steps):\n"
        "        lam = (W * A).sum(axis=0)\n"
        "        W = W - step_size / A.shape[1] * (lam**2 * W - lam * A)\n"
        "        errors.append(((W - A) ** 2).sum())\n"
        "    return errors",
    ),
    "descent without the probability": Variant(
        False,
        ("descent-errors",),
        "def descend(A, W, step_size, n_steps):\n"
        "    errors = [((W - A) ** 2).sum()]\n"
        "    for _ in range(n_steps):\n"
        "        lam = (W * A).sum(axis=0)\n"
        "        W = W - step_size * (lam**2 * W - lam * A)\n"
        "        W = W / np.linalg.norm(W, axis=0)\n"
        "        errors.append(((W - A) ** 2).sum())\n"
        "    return errors",
    ),
    "descent without the start": Variant(
        False,
        ("descent-start",),
        "def descend(A, W, step_size, n_steps):\n    return np.zeros(n_steps)",
    ),
    "errors that are not squared": Variant(
        False,
        ("descent-start", "descent-errors"),
        "def descend(A, W, step_size, n_steps):\n    return np.full(n_steps + 1, np.linalg.norm(W - A))",
    ),
    "largest step by bisection": Variant(
        True,
        ("largest-zero", "largest-bias"),
        "def largest_step(m, b):\n"
        "    def grows(zeta):\n"
        "        w = np.array([np.cos(1e-4), np.sin(1e-4)])\n"
        "        v = (1 - zeta / m * (w[0] + b) ** 2) * w + zeta / m * w[0] * np.array([1.0, 0.0])\n"
        "        return abs(v[1] / v[0]) > abs(w[1] / w[0])\n"
        "    low, high = 0.0, 100.0 * m\n"
        "    for _ in range(60):\n"
        "        middle = (low + high) / 2\n"
        "        low, high = (low, middle) if grows(middle) else (middle, high)\n"
        "    return low",
    ),
    "largest step of the theorem": Variant(
        False, ("largest-zero", "largest-bias"), "def largest_step(m, b):\n    return m"
    ),
    "largest step without the bias": Variant(False, ("largest-bias",), "def largest_step(m, b):\n    return 2 * m"),
    "largest step without normalising": Variant(
        False, ("largest-bias",), "def largest_step(m, b):\n    return 2 * m / (1 + b) ** 2"
    ),
    "limit by iteration": Variant(
        True,
        ("wrong-side-limit",),
        "def ends_at(w, a, u):\n"
        "    for _ in range(20000):\n"
        "        w = (1 - u * (w @ a) ** 2) * w + u * (w @ a) * a\n"
        "        w = w / np.linalg.norm(w)\n"
        "    return w",
    ),
    "limit at the truth": Variant(False, ("wrong-side-limit",), "def ends_at(w, a, u):\n    return a"),
}
