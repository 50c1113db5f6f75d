"""The unfolded network: what its codes tend to, how fast, what it reduces to, and its gradient by three routes."""

from dataclasses import replace
from itertools import product

import naive
import numpy as np
import pytest
from scipy.optimize import nnls
from tolerances import DIFFERENCE, ITERATED, ROUND_OFF, SINGLE, STEP, assert_close

from aedyn import autoencoder, unfolded
from aedyn.activations import GroupShrinkage
from aedyn.dictionaries import make_groups, orthonormal_dictionary, random_dictionary
from aedyn.unfolded import Unfolded, encode, gradient

N, M, N_SAMPLES = 10, 8, 12
GROUPS = make_groups(M, groups=[[6], [0, 5, 3], [7, 1], [2, 4]])
THRESHOLDS = {"none": (0.0, 0.0), "entries": (0.0, 0.15), "groups": (0.3, 0.0), "both": (0.2, 0.1)}
NETWORKS = {
    "-".join([kind, *kinds]): Unfolded(*THRESHOLDS[kind], GROUPS, 6, *(word[0] != "n" for word in kinds))
    for kind, *kinds in product(THRESHOLDS, ["fast", "not fast"], ["one-sided", "not"], ["scaled", "not"])
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@pytest.fixture
def problem():
    """Weights with columns of several lengths, and samples that they do not explain."""
    W = random_dictionary(N, M, 0) * np.linspace(0.7, 1.2, M)
    return W, np.random.default_rng(1).standard_normal((N_SAMPLES, N))


def optimality(W, y, x, entry, group, groups, nonnegative):
    """How far the code x is from the conditions for a minimiser of the sparse-group lasso, over all groups."""
    pull = W.T @ (y - W @ x)  # equals a subgradient of the penalty, or with nonnegative codes is at most that at zeros
    worst = 0.0
    for g in groups:
        if x[g].any():
            smooth = pull[g] - group * x[g] / np.linalg.norm(x[g]) - entry * np.sign(x[g])
            zero = x[g] == 0
            excess = np.maximum((pull[g] if nonnegative else np.abs(pull[g]))[zero] - entry, 0)
            worst = max(worst, np.abs(smooth[~zero]).max(), excess.max(initial=0))
        else:
            shortened = naive.sparse_group_proximal(pull[g], entry, 0.0, [range(len(g))], nonnegative)
            worst = max(worst, np.linalg.norm(shortened) - group)
    return worst


# Codes ----------------------------------------------------------------------------------------------------------------


@every_network
def test_codes_are_those_of_the_algorithm(problem, network):
    W, Y = problem
    for n_steps in (1, 2, 6):
        of_so_many = replace(network, n_steps=n_steps)
        expected = np.array([naive.unfolded_codes(W, y, of_so_many)[-1] for y in Y])
        X = encode(W, Y, of_so_many)
        assert_close(X, expected, ROUND_OFF)
        assert np.array_equal(X == 0, expected == 0)
        if n_steps == 6 and network.entry_lam:
            assert 0 < np.count_nonzero(X) < X.size
    assert not network.nonnegative or X.min() == 0


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_plain_and_accelerated_tend_to_the_minimiser(problem, nonnegative, scaled):
    W, Y = problem[0], problem[1][:4]
    network = Unfolded(0.2, 0.1, GROUPS, 2000, True, nonnegative, scaled)
    X = encode(W, Y, network)
    assert_close(encode(W, Y, replace(network, accelerated=False)), X, ITERATED)
    assert 0 < np.count_nonzero(X) < X.size
    scale = 1 if scaled else np.linalg.norm(W, 2) ** 2
    groups = [list(g) for g in GROUPS]
    conditions = [optimality(W, y, x, 0.1 * scale, 0.2 * scale, groups, nonnegative) for y, x in zip(Y, X, strict=True)]
    assert max(conditions) < ITERATED
    if not scaled:  # the thresholds as they are belong to another problem
        others = [optimality(W, y, x, 0.1, 0.2, groups, nonnegative) for y, x in zip(Y, X, strict=True)]
        assert max(others) > 0.05


@pytest.mark.parametrize("nonnegative", [False, True])
def test_one_step_is_one_proximal_step(problem, nonnegative):
    W, Y = problem
    network = Unfolded(0.2, 0.1, GROUPS, 1, nonnegative=nonnegative)
    length = 1 / np.linalg.norm(W, 2) ** 2
    V = length * Y @ W
    groups = [list(g) for g in GROUPS]
    X = encode(W, Y, network)
    for v, x in zip(V, X, strict=True):
        # the minimiser of |x - v|^2 / 2 plus the penalty is a sparse-group lasso whose weights are the identity
        assert optimality(np.eye(M), v, x, 0.1 * length, 0.2 * length, groups, nonnegative) < ROUND_OFF
    swapped = [  # groups first, then entries, is not the proximal operator
        naive.sparse_group_proximal(
            naive.group_shrinkage(v, 0.2 * length, groups), 0.1 * length, 0, groups, nonnegative
        )
        for v in V
    ]
    assert np.abs(X - swapped).max() > 1e-3


@pytest.mark.parametrize("accelerated", [False, True])
def test_rate_of_convergence(problem, accelerated):
    """Beck and Teboulle (2009), Theorems 3.1 and 4.4: |x*|^2 / (2 s k), and 2 |x*|^2 / (s (k+1)^2)."""
    W, Y = problem
    length = 1 / np.linalg.norm(W, 2) ** 2

    def objective(X):
        norms = sum(np.linalg.norm(X[:, g], axis=1) for g in GROUPS)
        return np.square(Y - X @ W.T).sum(axis=1) / 2 + 0.1 * np.abs(X).sum(axis=1) + 0.2 * norms

    best = encode(W, Y, Unfolded(0.2, 0.1, GROUPS, 400))
    squares = np.square(best).sum(axis=1)
    for k in (1, 2, 4, 8, 16):
        gap = objective(encode(W, Y, Unfolded(0.2, 0.1, GROUPS, k, accelerated))) - objective(best)
        bound = 2 * squares / (length * (k + 1) ** 2) if accelerated else squares / (2 * length * k)
        assert (gap <= bound).all() and gap.max() > 0


def test_acceleration_pays_late():
    W, Y = random_dictionary(N, M, 3), np.random.default_rng(1).standard_normal((3, N))
    best = np.linalg.lstsq(W, Y.T)[0].T
    far = {(k, fast): np.abs(encode(W, Y, Unfolded(n_steps=k, accelerated=fast)) - best).max()
           for k in (1, 40) for fast in (True, False)}  # fmt: skip
    assert far[1, True] == far[1, False], "the first step has no momentum"
    assert far[40, True] < 0.5 * far[40, False]


def test_without_penalty_least_squares(problem):
    W, Y = problem[0], problem[1][:4]
    squares = np.linalg.svd(W, compute_uv=False) ** 2
    # plain steps contract the error by 1 - sigma_min^2 / sigma_max^2, and the code at zero is away from the solution
    n_steps = int(np.log(1e-11) / np.log(1 - squares[-1] / squares[0]))
    X = encode(W, Y, Unfolded(n_steps=n_steps, accelerated=False))
    assert_close(X, np.linalg.lstsq(W, Y.T)[0].T, ITERATED)
    X = encode(W, Y, Unfolded(n_steps=n_steps, accelerated=False, nonnegative=True))
    assert_close(X, np.array([nnls(W, y)[0] for y in Y]), ITERATED)
    assert X.min() == 0 < X.max()


def test_of_one_atom_a_group_is_an_entry(problem):
    W, Y = problem
    single = make_groups(M, group_size=1)
    for nonnegative in (False, True):
        by_groups = Unfolded(0.15, groups=single, nonnegative=nonnegative)
        by_entries = Unfolded(entry_lam=0.15, nonnegative=nonnegative)
        assert_close(encode(W, Y, by_groups), encode(W, Y, by_entries), ROUND_OFF)
        one, other = gradient(W, Y, by_groups), gradient(W, Y, by_entries)
        assert_close(one.weights, other.weights, ROUND_OFF)
        assert one.active_groups == other.active_groups < M


@pytest.mark.parametrize("nonnegative", [False, True])
def test_one_step_with_orthonormal_weights_is_the_shallow_autoencoder(nonnegative):
    W, Y = orthonormal_dictionary(N, M, 0), np.random.default_rng(1).standard_normal((N_SAMPLES, N))
    # the largest singular value simple, and 1
    W[:, 1:] *= 0.9
    activation = GroupShrinkage(0.8, GROUPS, nonnegative)
    network = Unfolded(0.8, groups=GROUPS, n_steps=1, nonnegative=nonnegative)
    assert_close(encode(W, Y, network), autoencoder.encode(W, 0.0, Y, activation), ROUND_OFF)
    ours, shallow = gradient(W, Y, network), autoencoder.gradient(W, 0.0, Y, activation)
    assert_close(ours.loss, shallow.loss, ROUND_OFF)
    # the rest is the derivative through the step length, which only the first column has
    difference = ours.weights - shallow.weights
    assert np.abs(difference[:, 1:]).max() < ROUND_OFF
    along = W[:, 0] @ difference[:, 0]
    assert np.abs(difference[:, 0] - along * W[:, 0]).max() < ROUND_OFF < abs(along)


def test_order_of_samples_and_atoms_does_not_matter(problem):
    W, Y = problem
    rng = np.random.default_rng(2)
    samples, atoms = rng.permutation(N_SAMPLES), rng.permutation(M)
    place = np.argsort(atoms)
    moved = make_groups(M, groups=[[int(place[i]) for i in g] for g in GROUPS])
    network = Unfolded(0.3, 0.05, GROUPS)
    other = replace(network, groups=moved)
    assert_close(encode(W[:, atoms], Y[samples], other), encode(W, Y, network)[np.ix_(samples, atoms)], ROUND_OFF)
    ours, theirs = gradient(W, Y, network), gradient(W[:, atoms], Y[samples], other)
    assert_close(theirs.weights, ours.weights[:, atoms], ROUND_OFF)
    assert theirs.active_groups == ours.active_groups


def test_loss_and_active_groups_are_those_of_the_codes(problem):
    W, Y = problem
    network = Unfolded(0.5, 0.05, GROUPS)
    X, found = encode(W, Y, network), gradient(W, Y, network)
    assert_close(found.loss, np.square(Y - autoencoder.decode(W, X)).sum(axis=1).mean() / 2, ROUND_OFF)
    active = np.mean([sum(x[g].any() for g in GROUPS) for x in X])
    assert found.active_groups == active and 0 < active < len(GROUPS)


# Gradient -------------------------------------------------------------------------------------------------------------


def loss_in_torch(torch, W, Y, network):
    """Mean of half the squared error, by products with W itself."""
    length = 1 / torch.linalg.matrix_norm(W, 2) ** 2
    scale = length if network.scaled else 1
    x = z = torch.zeros(len(Y), W.shape[1], dtype=W.dtype)
    t = 1.0
    for _ in range(network.n_steps):
        v = z + length * (Y - z @ W.T) @ W
        entry = scale * network.entry_lam
        v = torch.relu(v - entry) if network.nonnegative else v.sign() * torch.relu(v.abs() - entry)
        new = v
        if network.group_lam:
            new = torch.zeros_like(v)
            for g in map(torch.from_numpy, map(np.array, network.groups)):
                norms = v[:, g].norm(dim=1, keepdim=True).clamp_min(1e-30)
                new = new.index_copy(1, g, v[:, g] * torch.relu(1 - scale * network.group_lam / norms))
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
        z = new + (t - 1) / t_new * (new - x) if network.accelerated else new
        x, t = new, t_new
    return (Y - x @ W.T).square().sum(dim=1).mean() / 2


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", ROUND_OFF), ("float32", SINGLE)])
@every_network
def test_gradient_against_torch(problem, network, dtype, tolerance):
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    W, Y = (array.astype(dtype) for array in problem)
    weights = torch.tensor(W, requires_grad=True)
    loss = loss_in_torch(torch, weights, torch.tensor(Y), network)
    loss.backward()
    found = gradient(W, Y, network)
    assert found.weights.dtype == dtype
    assert_close(found.weights, weights.grad.numpy(), tolerance)
    assert_close(found.loss, loss.item(), tolerance)


@every_network
def test_gradient_against_finite_differences(problem, network):
    W, Y = problem
    rng = np.random.default_rng(3)
    exact = gradient(W, Y, network).weights
    for _ in range(2):
        direction = rng.standard_normal(W.shape) / np.sqrt(W.size)
        ahead, behind = W + STEP * direction, W - STEP * direction
        for k in range(1, network.n_steps + 1):  # no kink between the two, at any step
            so_far = replace(network, n_steps=k)
            assert np.array_equal(encode(ahead, Y, so_far) == 0, encode(behind, Y, so_far) == 0)
        slope = (gradient(ahead, Y, network).loss - gradient(behind, Y, network).loss) / (2 * STEP)
        assert abs(slope - np.vdot(exact, direction)) < DIFFERENCE * max(1, np.linalg.norm(exact))


@pytest.mark.parametrize("n_steps", [1, 2, 3, 15])
def test_gradient_for_other_numbers_of_steps(problem, n_steps):
    W, Y = problem
    network = Unfolded(0.2, 0.1, GROUPS, n_steps)
    direction = np.random.default_rng(4).standard_normal(W.shape) / np.sqrt(W.size)
    ends = [gradient(W + sign * STEP * direction, Y, network).loss for sign in (1, -1)]
    assert abs((ends[0] - ends[1]) / (2 * STEP) - np.vdot(gradient(W, Y, network).weights, direction)) < DIFFERENCE


def test_every_part_of_the_gradient_counts(problem, monkeypatch):
    """Without the derivative through the step length the gradient is another one."""
    W, Y = problem
    network = Unfolded(0.2, 0.1, GROUPS)
    exact = gradient(W, Y, network).weights
    whole = unfolded.eigh

    def without_direction(*arguments, **options):
        values, vectors = whole(*arguments, **options)
        return values, 0 * vectors

    monkeypatch.setattr(unfolded, "eigh", without_direction)
    assert np.abs(gradient(W, Y, network).weights - exact).max() > 1e-3 * np.abs(exact).max()


def test_largest_singular_values_that_are_equal_have_no_derivative():
    """With orthonormal weights the loss has a kink: slopes ahead and behind differ, and no gradient gives both."""
    W, Y = orthonormal_dictionary(N, M, 0), np.random.default_rng(1).standard_normal((N_SAMPLES, N))
    network = Unfolded(entry_lam=0.3, n_steps=1)
    direction = np.outer(W[:, 0], np.eye(M)[0]) - np.outer(W[:, 1], np.eye(M)[1])
    here, ahead, behind = (gradient(W + h * direction, Y, network).loss for h in (0, STEP, -STEP))
    assert abs((ahead - here) + (behind - here)) / STEP > 0.1


def test_average_of_samples_one_by_one(problem):
    W, Y = problem
    network = Unfolded(0.2, 0.1, GROUPS)
    whole, single = gradient(W, Y, network), [gradient(W, y[None], network) for y in Y]
    for name in ("weights", "loss", "active_groups"):
        assert_close(getattr(whole, name), np.mean([getattr(part, name) for part in single], axis=0), ROUND_OFF)


# Pieces, threads, precision -------------------------------------------------------------------------------------------


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(unfolded, "PIECE_ROWS", 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_any_number_of_threads(problem, small_pieces, set_threads, dtype):
    W = problem[0].astype(dtype)
    Y = np.random.default_rng(5).standard_normal((45, N)).astype(dtype)
    network = Unfolded(0.2, 0.1, GROUPS)
    outcomes = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        outcomes.append([encode(W, Y, network), *gradient(W, Y, network)])
    for other in outcomes[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(outcomes[0], other, strict=True))


def test_pieces_do_not_matter_beyond_rounding(problem, monkeypatch):
    W, _ = problem
    Y = np.random.default_rng(5).standard_normal((45, N))
    network = Unfolded(0.2, 0.1, GROUPS)
    X, whole = encode(W, Y, network), gradient(W, Y, network)
    monkeypatch.setattr(unfolded, "PIECE_ROWS", 4)
    assert len(unfolded._pieces(slice(0, 45), 4)) > unfolded.MAX_CHUNKS
    assert_close(encode(W, Y, network), X, ROUND_OFF)
    for one, other in zip(gradient(W, Y, network), whole, strict=True):
        assert_close(one, other, ROUND_OFF)


@pytest.mark.parametrize(("rows", "most"), [(slice(0, 1), 4), (slice(0, 45), 4), (slice(7, 19), 4), (slice(3, 6), 128)])
def test_pieces_cover_the_rows(rows, most):
    pieces = unfolded._pieces(rows, most)
    assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(range(rows.start, rows.stop))
    assert all(0 < piece.stop - piece.start <= most for piece in pieces)


def test_precision_is_that_of_the_samples(problem):
    W, Y = problem
    network = Unfolded(0.2, 0.1, GROUPS)
    single = Y.astype(np.float32)
    assert encode(W, single, network).dtype == gradient(W, single, network).weights.dtype == np.float32
    assert encode(W.astype(np.float32), Y, network).dtype == np.float64
    assert_close(encode(W, single, network), encode(W, Y, network), SINGLE)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("function", [encode, gradient])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_samples_that_are_no_numbers_or_too_large(problem, wrong, function, nonnegative):
    W, Y = problem
    Y[3, 2] = wrong
    if function is encode and wrong == 1e200:
        return  # large, but its code is finite
    with pytest.raises(FloatingPointError, match="not finite"), np.errstate(all="ignore"):
        function(W, Y, Unfolded(0.2, 0.1, GROUPS, nonnegative=nonnegative))


@pytest.mark.parametrize("factor", [0, 1e200])
@pytest.mark.parametrize("function", [encode, gradient])
def test_weights_that_give_no_step(problem, factor, function):
    W, Y = problem
    with pytest.raises(FloatingPointError, match="neither 0 nor too large"), np.errstate(all="ignore"):
        function(factor * W, Y, Unfolded())


@pytest.mark.parametrize("function", [encode, gradient])
def test_inputs_that_do_not_fit(problem, function):
    W, Y = problem
    with pytest.raises(ValueError, match="W must have finite entries"):
        function(np.where(W == W[0, 0], np.nan, W), Y, Unfolded())
    with pytest.raises(ValueError, match=r"Y must be a matrix of shape \(any, 10\)"):
        function(W, Y[:, 1:], Unfolded())
    with pytest.raises(ValueError, match="groups must be of the 8 columns of W; got groups of 6"):
        function(W, Y, Unfolded(0.1, groups=make_groups(6, group_size=2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_lam": 0.1}, "group_lam = 0.1 needs groups; got None"),
        ({"group_lam": -0.1, "groups": GROUPS}, "group_lam must lie in"),
        ({"entry_lam": np.nan}, "entry_lam must lie in"),
        ({"n_steps": 0}, "n_steps must be a whole number at least 1"),
    ],
)
def test_networks_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Unfolded(**options)
