"""What the package computes, written as the definitions read: loops, no compiler, no shortcut."""

import hashlib
from itertools import combinations, permutations, product

import numpy as np
from scipy import stats

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


def shrinkage_jacobian(z, lam, groups, rank_one=1.0):
    """Jacobian of the group shrinkage at the vector z, with a share of its rank-one part."""
    jacobian = np.zeros((len(z), len(z)))
    for group in groups:
        norm = np.sqrt(sum(z[i] ** 2 for i in group))
        for i in group:
            for j in group:
                if norm > lam:
                    jacobian[i, j] = (1 - lam / norm) * (i == j) + rank_one * lam * z[i] * z[j] / norm**3
    return jacobian


def shrinkage_gradient(W, b, Y, lam, groups, nonnegative=False, rank_one=1.0):
    """Gradient in weights and bias by the chain rule, sample by sample."""
    weights, bias = np.zeros_like(W), np.zeros(W.shape[1])
    for y in Y:
        z = W.T @ y + b
        clipped = np.maximum(z, 0) if nonnegative else z
        jacobian = shrinkage_jacobian(clipped, lam, groups, rank_one)
        if nonnegative:
            jacobian = jacobian @ np.diag(z > 0)
        x = group_shrinkage(clipped, lam, groups)
        residual = y - W @ x
        pulled = jacobian.T @ (W.T @ residual)
        weights -= (np.outer(residual, x) + np.outer(y, pulled)) / len(Y)
        bias -= pulled / len(Y)
    return weights, bias


def list_groups(X, groups):
    """For each row, the atoms of its groups that are not all zero, in the order in which their first entries come."""
    lists = []
    for x in X:
        listed = []
        for i in range(len(x)):
            listed += [group for group in groups if i in group and x[i] != 0 and group not in listed]
        lists.append([atom for group in listed for atom in group])
    return lists


def overlaps(U, X, gram, lists):
    """Codes and overlaps u - G x on the listed units, and what the codes explain of the squares."""
    x = [X[s, i] for s, atoms in enumerate(lists) for i in atoms]
    c = [U[s, i] - gram[i] @ X[s] for s, atoms in enumerate(lists) for i in atoms]
    return np.array(x), np.array(c), sum(2 * u @ x - x @ gram @ x for u, x in zip(U, X, strict=True))


def add_sparse(Y, lists, x, weights, m):
    """Sums over samples of weights times y and of x x^T, unit by unit, and the sum of squares."""
    entries = iter(zip(x, weights, strict=True))
    signal, moment, squares = np.zeros((m, Y.shape[1])), np.zeros((m, m)), 0.0
    for y, atoms in zip(Y, lists, strict=True):
        code = np.zeros(m)
        for i in atoms:
            code[i], weight = next(entries)
            signal[i] += weight * y
        moment += np.outer(code, code)
        squares += y @ y
    return signal, moment, np.array([squares])


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


def adam(W, b, batches, activate, rate, beta1=0.9, beta2=0.999, normalized=True):
    """Kingma and Ba's Algorithm 1, with normalised columns after each step or without."""
    mean, square = np.zeros_like(W), np.zeros_like(W)
    project = normalize if normalized else np.copy
    W = project(W)
    for t, Y in enumerate(batches, start=1):
        X = encode(W, b, Y, activate)
        g = gradient(W, b, Y, X != 0, X)[0]
        mean, square, change = adam_change(g, mean, square, rate, beta1, beta2, t)
        W = project(W - change)
    return W


def adam_change(gradient, mean, square, rate, beta1, beta2, step):
    """Running means after a step, and what Kingma and Ba's algorithm 1 takes off the weights."""
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    corrected, spread = mean / (1 - beta1**step), np.sqrt(square / (1 - beta2**step))
    return mean, square, rate * corrected / (spread + 1e-8)


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


# Group support recovery -----------------------------------------------------------------------------------------------


def norm_extremes(Z, codes, groups):
    """Smallest norm of an active group and largest of an idle one, row by row; codes and groups as lists."""
    smallest, largest = [], []
    for z, x in zip(Z, codes, strict=True):
        norms = {True: [np.inf], False: [0.0]}
        for group in groups:
            norms[any(x[i] != 0 for i in group)].append(sum(z[i] ** 2 for i in group) ** 0.5)
        smallest.append(min(norms[True]))
        largest.append(max(norms[False]))
    return np.array(smallest), np.array(largest)


def block_interval(A, W, groups, n_active, b_min, b_max):
    """Support by support, group by group: the triangle inequality, and what the group keeps of its own code."""
    lows, highs = [0.0], [np.inf]
    for support in combinations(range(len(groups)), n_active):
        for g, group in enumerate(groups):
            blocks = {h: np.linalg.svd(W[:, group].T @ A[:, groups[h]], compute_uv=False) for h in support}
            seen = b_max * sum(blocks[h][0] for h in support if h != g)
            if g in support:
                highs.append(b_min * blocks[g][-1] - seen)
            else:
                lows.append(seen)
    return max(lows), min(highs)


# Group descent --------------------------------------------------------------------------------------------------------


def group_descent_gradient(W, Y, groups, lam, rank_one):
    """Gradient of the group-sparse paper's loss, sample by sample, with a share of the Jacobian's rank-one part."""
    total = np.zeros_like(W)
    for y in Y:
        z = W.T @ y
        residual = y - W @ group_shrinkage(z, lam, groups)
        for group in groups:
            norm = np.sqrt(z[group] @ z[group])
            if norm > lam:
                unit, tau = z[group] / norm, 1 - lam / norm
                jacobian = tau * np.eye(len(group)) + rank_one * (1 - tau) * np.outer(unit, unit)
                decoder = np.outer(residual, tau * z[group])
                total[:, group] -= decoder + np.outer(y, jacobian @ (W[:, group].T @ residual))
    return total / len(Y)


def approximate_gradient(W, y, support, groups, tau):
    """Equation (51) of the group-sparse paper with the same factor for all active groups."""
    active = [i for g in support for i in groups[g]]
    left = np.outer(y, y) - tau * W[:, active] @ (W[:, active].T @ np.outer(y, y))
    gradient = np.zeros_like(W)
    for g in support:
        gradient[:, groups[g]] = -tau * (left + left.T) @ W[:, groups[g]]
    return gradient


def expected_approximate_gradient(A, W, groups, n_active, tau, variance):
    """Its mean over all supports, with one nonzero entry of the code at a time, which gives the right second moment."""
    total, supports = np.zeros_like(W), list(combinations(range(len(groups)), n_active))
    for support in supports:
        active = [i for g in support for i in groups[g]]
        for i in active:
            y = np.sqrt(variance * len(active)) * A[:, i]
            total += approximate_gradient(W, y, support, groups, tau) / len(active) / len(supports)
    return total


# Group simulation -----------------------------------------------------------------------------------------------------


def recipe(n, n_groups, n_active, n_samples, b_min, b_max, rng):
    """Dictionary and codes of pairs of atoms as section 4.1 describes them, sample by sample."""
    A = normalize(rng.standard_normal((n, 2 * n_groups)))
    codes = np.zeros((n_samples, 2 * n_groups))
    for x in codes:
        active = rng.choice(n_groups, n_active, replace=False)
        values = rng.standard_normal((n_active, 2))
        values *= rng.uniform(b_min, b_max, (n_active, 1)) / np.sqrt((values**2).sum(axis=1, keepdims=True))
        for g, pair in zip(active, values, strict=True):
            x[2 * g : 2 * g + 2] = pair
    return A, codes


def support_agreement(codes, found, size):
    """Share of samples with the right groups of entries, share of these found, and others found for each sample."""
    exact, hits, active, false = 0, 0, 0, 0
    for true, x in zip(codes, found, strict=True):
        starts = range(0, len(x), size)
        right = {i for i in starts if any(true[i : i + size])}
        seen = {i for i in starts if any(x[i : i + size])}
        exact += right == seen
        hits += len(right & seen)
        active += len(right)
        false += len(seen - right)
    return exact / len(codes), hits / active, false / len(codes)


# Weight-tied ----------------------------------------------------------------------------------------------------------


def tied_output(W, x):
    d, m = W.shape
    return sum((relu(sum(W[a, r] * x[a] for a in range(d))) * W[:, r] for r in range(m)), np.zeros(d)) / m


def tied_gradient(W, X):
    """Unit by unit and sample by sample; a unit at 0 is active."""
    gradient = np.zeros_like(W)
    for x in X:
        error = x - tied_output(W, x)
        for r in range(W.shape[1]):
            w = W[:, r]
            gradient[:, r] -= ((w @ x >= 0) * (error @ w) * x + relu(w @ x) * error) / W.shape[1]
    return gradient


# Unfolded networks ----------------------------------------------------------------------------------------------------


def sparse_group_proximal(v, entry, group, groups, nonnegative=False):
    """Minimiser of |x - v|^2 / 2 + entry |x|_1 + group sum_g |x_g|, over x >= 0 if so said: entries, then groups."""
    h = np.array([max(z - entry, 0) if nonnegative else np.sign(z) * max(abs(z) - entry, 0) for z in v])
    return group_shrinkage(h, group, groups)


def sparse_group_pull_back(v, d, entry, group, groups, nonnegative=False):
    """Jacobian of the above times d, and what raising each of the thresholds takes off d^T x."""
    h = sparse_group_proximal(v, entry, 0.0, groups, nonnegative)
    pulled = np.where(h != 0, shrinkage_jacobian(h, group, groups) @ d, 0)
    directions = [h[g] / np.sqrt(h[g] @ h[g]) @ d[g] for g in groups if np.sqrt(h[g] @ h[g]) > group]
    return pulled, np.sign(h) @ pulled, sum(directions)


def unfolded_codes(W, y, network):
    """Codes of the sample y after 0, 1, ..., T steps, by products with W itself."""
    n, m = W.shape
    groups = [list(g) for g in network.groups] if network.groups else [[i] for i in range(m)]
    length = 1 / np.linalg.svd(W, compute_uv=False)[0] ** 2
    scale = length if network.scaled else 1
    x, z, t = np.zeros(m), np.zeros(m), 1.0
    codes = [x]
    for _ in range(network.n_steps):
        v = z + length * W.T @ (y - W @ z)
        new = sparse_group_proximal(
            v, scale * network.entry_lam, scale * network.group_lam, groups, network.nonnegative
        )
        t_new = (1 + np.sqrt(1 + 4 * t**2)) / 2
        z = new + (t - 1) / t_new * (new - x) if network.accelerated else new
        x, t = new, t_new
        codes.append(x)
    return codes


# Digit clusters -------------------------------------------------------------------------------------------------------


def neighbour_matrix(Z, k):
    """1 where one of two rows is among the k nearest of the other."""
    squares = ((Z[:, None] - Z[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    nearest = np.argsort(squares, axis=1)[:, :k]
    return np.array([[float(j in nearest[i] or i in nearest[j]) for j in range(len(Z))] for i in range(len(Z))])


def modularity(A, labels):
    ends, total = A.sum(axis=0), A.sum()
    pairs = product(range(len(A)), repeat=2)
    return sum(A[i, j] - ends[i] * ends[j] / total for i, j in pairs if labels[i] == labels[j]) / total


def matched_accuracy(labels, digits, n):
    """Best share of equal labels, over all ways to name clusters 0 to n - 1."""
    return max(np.mean(np.array(names)[labels] == digits) for names in permutations(range(n)))


def rand_index(first, second):
    """The adjusted Rand index, by counting pairs."""
    pairs = list(combinations(range(len(first)), 2))
    a = np.array([first[i] == first[j] for i, j in pairs], float)
    b = np.array([second[i] == second[j] for i, j in pairs], float)
    expected = a.sum() * b.sum() / len(pairs)
    return (a @ b - expected) / ((a.sum() + b.sum()) / 2 - expected)


def mutual_information(labels, digits):
    """Mutual information over the mean of the entropies."""
    joint = np.array([[np.mean((labels == c) & (digits == d)) for d in set(digits)] for c in set(labels)])
    entropies = [-sum(p * np.log(p) for p in shares if p) for shares in (joint.sum(0), joint.sum(1), joint.ravel())]
    return (entropies[0] + entropies[1] - entropies[2]) / np.mean(entropies[:2])


def separation(D, digits):
    """Share of pairs of pairs, one of the same digit and one not, of which the former is closer; ties are halves."""
    pairs = list(combinations(range(len(digits)), 2))
    same = [D[i, j] for i, j in pairs if digits[i] == digits[j]]
    different = [D[i, j] for i, j in pairs if digits[i] != digits[j]]
    return np.mean([(s < d) + (s == d) / 2 for s in same for d in different])


# Tangent kernels ------------------------------------------------------------------------------------------------------


def tangent_kernels(W, A, X):
    """d times the Jacobian of the outputs times its transpose, in the weights of the encoder and of the decoder."""
    (n, d), m = X.shape, W.shape[1]
    encoder, decoder = np.zeros((n, d, d, m)), np.zeros((n, d, d, m))
    for i, a, r in product(range(n), range(d), range(m)):
        z = sum(W[c, r] * X[i, c] for c in range(d))
        if z >= 0:
            encoder[i, a, :, r] = A[a, r] * X[i] / np.sqrt(m * d)
            decoder[i, a, a, r] = z / np.sqrt(m * d)
    return [d * jacobian.reshape(n * d, -1) @ jacobian.reshape(n * d, -1).T for jacobian in (encoder, decoder)]


def common_bits(rows, i, j, masks):
    """How many bits two of the rows and a mask, arrays of booleans, have in common."""
    return np.array([[sum(a & b & c for a, b, c in zip(rows[p], rows[q], mask, strict=True)) for mask in masks]
                     for p, q in zip(i, j, strict=True)])  # fmt: skip


# Wide network ---------------------------------------------------------------------------------------------------------


def wide_output(W, A, x):
    d, m = W.shape
    return sum((A[:, r] * max(W[:, r] @ x, 0) for r in range(m)), np.zeros(d)) / np.sqrt(m * d)


def wide_gradients(W, A, X):
    """Loss, (5.4) and (5.5), unit by unit and sample by sample; a unit at 0 is active."""
    loss, of_W, of_A = 0.0, np.zeros_like(W), np.zeros_like(A)
    for x in X:
        error = x - wide_output(W, A, x)
        loss += error @ error / 2
        for r in range(W.shape[1]):
            z = W[:, r] @ x
            of_W[:, r] -= (z >= 0) * x * (A[:, r] @ error) / np.sqrt(W.size)
            of_A[:, r] -= max(z, 0) * error / np.sqrt(W.size)
    return loss, of_W, of_A


def perpendicular_kernels(W, A, X, flipped):
    """Parts of G and H whose rows belong to samples for which a unit changes sides, blocks of d by d."""
    (n, d), m = X.shape, W.shape[1]
    G, H = np.zeros((n, d, n, d)), np.zeros((n, d, n, d))
    for i, j, r in product(range(n), range(n), range(m)):
        if flipped[i, r]:
            zi, zj = W[:, r] @ X[i], W[:, r] @ X[j]
            G[i, :, j, :] += X[i] @ X[j] * (zi >= 0) * (zj >= 0) * np.outer(A[:, r], A[:, r]) / m
            H[i, :, j, :] += max(zi, 0) * max(zj, 0) * np.eye(d) / m
    return G.reshape(n * d, n * d), H.reshape(n * d, n * d)


# Sweeps ---------------------------------------------------------------------------------------------------------------


def trial_stream(seed, parameters, number):
    """Generator of a trial."""
    text = "{" + ",".join(f'"{name}":{parameters[name]}' for name in sorted(parameters)) + "}"
    digest = hashlib.sha256(text.replace(".0,", ",").replace(".0}", "}").encode()).digest()
    words = [int.from_bytes(digest[4 * i : 4 * i + 4], "big") for i in range(8)]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*words, number)))


def student_interval(x, level):
    """Mean and Student's interval for it."""
    reach = stats.t.ppf((1 + level) / 2, len(x) - 1) * np.std(x, ddof=1) / np.sqrt(len(x))
    return np.mean(x), np.mean(x) - reach, np.mean(x) + reach


def wilson_interval(k, n, level):
    """Share, and the p for which it is no further from p than the normal quantile of standard errors at p."""
    z = stats.norm.ppf((1 + level) / 2)
    # (k/n - p)^2 = z^2 p (1 - p) / n
    low, high = sorted(np.roots([1 + z**2 / n, -(2 * k / n + z**2 / n), (k / n) ** 2]).real)
    return k / n, max(low, 0.0), min(high, 1.0)
