"""Training: against loops and PyTorch, the exact law of one step, streamed samples, and how runs end."""

import re

import naive
import numpy as np
import pytest
from tolerances import ITERATED, ROUND_OFF, assert_close, assert_mean

from aedyn import autoencoder, optimizers
from aedyn.activations import GroupShrinkage, HardThreshold, ReLU
from aedyn.dictionaries import make_groups, match_columns, orthonormal_dictionary, perturb, random_dictionary
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse
from aedyn.optimizers import adam, constant_bias, normalized_descent, shrinking_bias, streamed_descent


@pytest.fixture
def problem():
    """Start, bias and samples, such that each unit is active on some samples and not on all."""
    rng = np.random.default_rng(3)
    W, b, Y = random_dictionary(5, 7, rng), -0.2 + 0.1 * rng.standard_normal(7), rng.standard_normal((20, 5))
    activity = (naive.encode(W, b, Y, naive.relu) != 0).mean(axis=0)
    assert 0 < activity.min() and activity.max() < 1
    return W, b, Y


# Normalised descent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["constant", "shrinking"])
def test_descent_is_the_loop_it_claims_to_be(problem, schedule):
    W, b, Y = problem
    biases = {"constant": [b] * 6, "shrinking": [b / 3**step for step in range(6)]}[schedule]
    bias = {"constant": constant_bias(b), "shrinking": shrinking_bias(b, 3)}[schedule]
    weights, losses = naive.descent(W, biases, Y, naive.relu, 0.3)
    history = normalized_descent(W, bias, Y, ReLU(), step_size=0.3, n_steps=6)
    assert_close(history.weights, weights, ROUND_OFF)
    assert_close(history.losses, np.array(losses), ROUND_OFF)
    assert history.activity.shape == (6, 7) and 0 < history.activity.min() < history.activity.max() < 1
    assert history.status == "finished"
    assert np.abs(history.weights - W).max() > 0.1, "training moved"


def test_columns_stay_unit_and_the_start_is_normalised_and_left_alone(problem):
    W, b, Y = problem
    start = 3 * W
    history = normalized_descent(start, constant_bias(b), Y, ReLU(), step_size=0.5, n_steps=5)
    assert np.array_equal(start, 3 * W)
    assert_close(np.linalg.norm(history.weights, axis=0), np.ones(7), ROUND_OFF)
    same = normalized_descent(W, constant_bias(b), Y, ReLU(), step_size=0.5, n_steps=5)
    assert_close(history.weights, same.weights, ROUND_OFF)


def test_loss_falls_on_an_easy_problem():
    rng = np.random.default_rng(0)
    A = orthonormal_dictionary(10, 4, rng)
    Y = MixtureOfGaussians(A, 0.01).sample(400, rng).Y
    W = perturb(A, 0.5, rng)
    history = normalized_descent(W, constant_bias(0.0), Y, HardThreshold(0.5), step_size=1.0, n_steps=30)
    assert (np.diff(history.losses) < 0).all()
    assert history.losses[-1] < 0.05 * history.losses[0]
    assert match_columns(history.weights, A).delta < 0.02


def population(m, delta, n=6, seed=0):
    """Atoms of a mixture without noise, which are all the samples there are, and weights at distance delta."""
    A = orthonormal_dictionary(n, m, seed)
    return A, perturb(A, delta, seed + 1)


def angles(W, A):
    """Angle of each column with its atom."""
    return 2 * np.arcsin(np.linalg.norm(W - A, axis=0) / 2)


def run(A, W, u, n_steps):
    """Descent with step size zeta = u / p, p = 1/m."""
    step_size = u * A.shape[1]
    return normalized_descent(W, constant_bias(0.0), A.T, HardThreshold(0.5), step_size=step_size, n_steps=n_steps)


@pytest.mark.parametrize("delta", [0.05, 0.3, 0.6])
@pytest.mark.parametrize("u", [0.1, 0.7, 1.0, 1.9, 2.5, 4.0])
def test_one_step_follows_its_law(u, delta):
    # W_i+ is along (1 - u lambda^2) W_i + u lambda A_i, so that tan(theta+) = |alpha / (alpha + u)| tan(theta)
    A, W = population(4, delta)
    theta = angles(W, A)
    alpha = 1 - u * np.cos(theta) ** 2
    expected = np.arctan(np.abs(alpha / (alpha + u)) * np.tan(theta))
    assert_close(angles(run(A, W, u, 1).weights, A), expected, ROUND_OFF)


@pytest.mark.parametrize("delta", [0.05, 0.3, 0.6])
def test_one_step_contracts_up_to_the_largest_stable_step_and_not_beyond(delta):
    # |alpha| < |alpha + u| if and only if u (lambda^2 - 1/2) < 1
    A, W = population(4, delta)
    largest = 1 / ((1 - delta**2 / 2) ** 2 - 1 / 2)
    assert (angles(run(A, W, 0.999 * largest, 1).weights, A) < angles(W, A)).all()
    assert (angles(run(A, W, 1.001 * largest, 1).weights, A) > angles(W, A)).all()


def test_descent_converges_just_below_the_largest_stable_step_size():
    # near the atom, where lambda = 1, the limit is u = 2
    A, W = population(4, 0.3)
    history = run(A, W, 1.9, 300)
    assert angles(history.weights, A).max() < ITERATED
    assert history.losses[-1] < ITERATED * history.losses[0]


@pytest.mark.parametrize("delta", [0.01, 0.6])
def test_descent_fails_just_above_the_largest_stable_step_size(delta):
    # it settles where the step neither contracts nor expands, from closer and from further away
    u = 2.1
    A, W = population(4, delta)
    stuck = np.arccos(np.sqrt(1 / 2 + 1 / u))
    assert 0.1 < stuck < 0.6
    assert_close(angles(run(A, W, u, 400).weights, A), np.full(4, stuck), ITERATED)


def test_raw_steps_on_the_atoms_follow_a_cubic_map():
    # W_i = w A_i, p = 1/m, b = 0: the gradient is -(1/m) (2w - 2w^3) A_i
    A = orthonormal_dictionary(6, 4, 0)
    history = normalized_descent(
        0.9 * A,
        constant_bias(0.0),
        A.T,
        ReLU(),
        step_size=4.0,
        n_steps=2,
        normalized=False,
        watch=lambda W: W[:, 0] @ A[:, 0],
    )
    w = [0.9]
    for _ in range(2):
        w.append(3 * w[-1] - 2 * w[-1] ** 3)
    assert_close(history.watched, np.array(w), ROUND_OFF)
    assert_close(history.weights, w[-1] * A, ROUND_OFF)


# Fresh samples --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stream():
    """A model with noise, weights near its atoms, and options of a run."""
    A = orthonormal_dictionary(8, 5, 0)
    model = NonnegativeSparse(A, 0.1, k=2, a1=1, a2=2)
    options = {"step_size": 0.5, "n_steps": 3, "n_samples": 50, "rng": 4}
    return model, perturb(A, 0.3, 1), constant_bias(-0.1), ReLU(), options


@pytest.mark.parametrize("block_size", [7, 50, 1000])
def test_streamed_descent_uses_each_sample_once(stream, block_size, monkeypatch):
    monkeypatch.setattr(optimizers, "BLOCK_SIZE", block_size)
    model, start, bias, activation, options = stream
    history = streamed_descent(model, start, bias, activation, **options)
    rng, W, losses = np.random.default_rng(4), start, []
    for _ in range(3):
        Y = np.vstack([samples.Y for samples in model.blocks(50, rng, block_size)])
        gradient = autoencoder.gradient(W, -0.1, Y, activation)
        losses.append(gradient.loss)
        W = W - 0.5 * gradient.weights
        W = W / np.linalg.norm(W, axis=0)
    assert_close(history.weights, W, ROUND_OFF)
    assert_close(history.losses, np.array(losses), ROUND_OFF)
    assert_close(history.activity[-1], gradient.activity, ROUND_OFF)


def test_streamed_loss_is_that_of_the_model(stream):
    model, start, bias, activation, options = stream
    options |= {"step_size": 0.0, "n_steps": 200}
    losses = streamed_descent(model, start, bias, activation, **options).losses
    Y = model.sample(100_000, 9).Y
    assert_mean(losses, autoencoder.loss(start, -0.1, Y, activation))
    assert losses.std() > 0, "samples are fresh"


def test_streamed_descent_is_the_same_for_any_number_of_threads(stream, monkeypatch):
    monkeypatch.setattr(optimizers, "BLOCK_SIZE", 7)
    model, start, bias, activation, options = stream
    runs = []
    for n_threads in (1, 2):
        monkeypatch.setattr("numba.get_num_threads", lambda n_threads=n_threads: n_threads)
        runs.append(streamed_descent(model, start, bias, activation, **options).weights)
    assert np.array_equal(*runs)
    other = streamed_descent(model, start, bias, activation, **options | {"rng": 5}).weights
    assert not np.allclose(runs[0], other)


# How runs end ---------------------------------------------------------------------------------------------------------


def test_a_run_that_has_come_to_rest_says_so():
    A, W = population(4, 0.3)
    assert run(A, W, 1.0, 12).converged
    short = run(A, W, 1.0, 2)
    assert short.status == "finished" and not short.converged and short.n_iter == 2


def test_a_run_that_goes_round_says_so():
    # a raw step of size 2.2 m/4 overshoots the atoms: w -> w + 2.2 (w - w^3) / 2 has a cycle of two points
    A = orthonormal_dictionary(6, 4, 0)
    options = {"step_size": 2.2, "n_steps": 200, "normalized": False}
    history = normalized_descent(0.9 * A, constant_bias(0.0), A.T, ReLU(), **options)
    assert history.status == "cycling"
    again = normalized_descent(history.weights, constant_bias(0.0), A.T, ReLU(), **options | {"n_steps": 2})
    assert_close(again.weights, history.weights, ITERATED)


# Adam -----------------------------------------------------------------------------------------------------------------


def test_adam_is_the_loop_it_claims_to_be(problem):
    W, b, Y = problem
    shuffle = np.random.default_rng(9)
    orders = [shuffle.permutation(20) for _ in range(3)]
    batches = [Y[order[start : start + 8]] for order in orders for start in (0, 8, 16)]
    history = adam(W, b, Y, ReLU(), rng=9, rate=0.05, batch_size=8, n_epochs=3)
    assert_close(history.weights, naive.adam(W, b, batches, naive.relu, 0.05), ITERATED)
    assert history.losses.shape == (9,) and history.activity.shape == (9, 7)
    assert_close(history.losses[0], naive.loss(W, b, batches[0], naive.relu), ROUND_OFF)
    assert history.status == "finished"
    assert np.abs(history.weights - W).max() > 0.1, "training moved"
    assert_close(np.linalg.norm(history.weights, axis=0), np.ones(7), ROUND_OFF)


def test_adam_against_torch(problem):
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    W, b, Y = problem
    weights = torch.tensor(W, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.05, betas=(0.8, 0.99))
    samples, bias = torch.tensor(Y), torch.tensor(b)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        codes = torch.relu(samples @ weights + bias)
        value = (samples - codes @ weights.T).pow(2).sum(dim=1).mean() / 2
        value.backward()
        losses.append(value.item())
        optimizer.step()
        with torch.no_grad():
            weights /= weights.norm(dim=0)
    history = adam(W, b, Y, ReLU(), rng=0, rate=0.05, batch_size=20, n_epochs=10, beta1=0.8, beta2=0.99)
    assert_close(history.weights, weights.detach().numpy(), ITERATED)
    assert_close(history.losses, np.array(losses), ITERATED)


@pytest.mark.parametrize("normalized", [True, False])
def test_adam_on_all_samples_takes_them_as_they_are(problem, normalized, monkeypatch):
    W, b, Y = problem
    seen, whole = [], autoencoder.gradient
    monkeypatch.setattr(
        autoencoder, "gradient", lambda W, b, Y, *rest, **options: seen.append(Y) or whole(W, b, Y, *rest)
    )
    options = {"rate": 0.05, "batch_size": None, "n_epochs": 6, "normalized": normalized}
    history = adam(2 * W, b, Y, ReLU(), watch=np.copy, **options)
    assert len(seen) == 6 and all(np.shares_memory(batch, Y) and batch.shape == Y.shape for batch in seen)
    assert_close(history.weights, naive.adam(2 * W, b, [Y] * 6, naive.relu, 0.05, normalized=normalized), ITERATED)
    assert len(history.watched) == 7 and np.array_equal(history.watched[-1], history.weights)
    assert_close(history.watched[0], (1 if normalized else 2) * W, ROUND_OFF)
    assert (np.ptp(np.linalg.norm(history.weights, axis=0)) < ROUND_OFF) == normalized


@pytest.mark.parametrize("nonnegative", [False, True])
def test_raw_adam_on_group_shrinkage_against_torch(nonnegative):
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    rng = np.random.default_rng(5)
    W, Y = rng.standard_normal((6, 8)), rng.standard_normal((30, 6))
    shrink = GroupShrinkage(1.5, make_groups(8, group_size=2), nonnegative)
    weights, samples = torch.tensor(W, requires_grad=True), torch.tensor(Y)
    optimizer = torch.optim.Adam([weights], lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        Z = samples @ weights
        Z = (Z.relu() if nonnegative else Z).reshape(30, 4, 2)
        norms = Z.square().sum(dim=2, keepdim=True).clamp(min=1e-9).sqrt()
        value = (samples - (Z * (1 - 1.5 / norms).relu()).reshape(30, 8) @ weights.T).pow(2).sum(dim=1).mean() / 2
        value.backward()
        losses.append(value.item())
        optimizer.step()
    history = adam(W, 0.0, Y, shrink, rate=0.01, batch_size=None, n_epochs=20, normalized=False)
    assert_close(history.weights, weights.detach().numpy(), ITERATED)
    assert_close(history.losses, np.array(losses), ITERATED)
    assert 0.1 < history.activity.mean() < 0.9 and losses[-1] < 0.9 * losses[0]
    other = adam(W, 0.0, Y, shrink, rate=0.01, batch_size=None, n_epochs=20, normalized=False, rank_one=0)
    assert not np.allclose(other.weights, history.weights, atol=1e-3)


def test_adam_works_in_the_precision_of_the_samples(problem):
    W, b, Y = problem
    for dtype in (np.float32, np.float64):
        assert adam(W, 0.0, Y.astype(dtype), ReLU(), rng=0).weights.dtype == dtype
        assert adam(W, 0.0, Y.astype(dtype), ReLU(), batch_size=None, normalized=False).weights.dtype == dtype


def test_same_seed_same_bits_and_another_seed_others(problem):
    W, b, Y = problem
    first, again, other = (adam(W, b, Y, ReLU(), rng=rng, batch_size=4) for rng in (1, np.random.default_rng(1), 2))
    assert np.array_equal(first.weights, again.weights) and np.array_equal(first.losses, again.losses)
    assert not np.allclose(first.losses, other.losses)


# Divergence, schedules, bad input -------------------------------------------------------------------------------------


def check_diverged(history, n_steps):
    assert history.status == "diverged"
    assert history.losses.shape == (n_steps,) and history.activity.shape == (n_steps, 4)
    assert np.isfinite(history.losses).all() and np.isfinite(history.activity).all()
    assert_close(np.linalg.norm(history.weights, axis=0), np.ones(4), ROUND_OFF)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize(
    ("biases", "step_size", "reason"),
    [
        ([0, 0, 0, 1e160], 1.0, "the loss is inf: samples or weights are not finite, or have grown too large"),
        ([0, 0, 1e100], 1.0, "the step is not finite, or too large"),
        ([0], 1e300, "the step is not finite, or too large"),
    ],
    ids=["loss", "gradient", "step size"],
)
def test_descent_that_diverges_says_so(biases, step_size, reason):
    A, W = population(4, 0.3)
    n_steps = len(biases) - 1
    with pytest.warns(RuntimeWarning, match=f"^the run diverged after {n_steps} steps: {reason}$"):
        history = normalized_descent(W, biases.__getitem__, A.T, ReLU(), step_size=step_size, n_steps=20)
    check_diverged(history, n_steps)
    before = naive.descent(W, [np.full(4, b) for b in biases[:-1]], A.T, naive.relu, step_size)
    assert_close(history.weights, before[0], ROUND_OFF)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_adam_that_diverges_says_so():
    A, W = population(4, 0.3)
    Y = A.T.copy()
    Y[2] *= 1e200
    with pytest.warns(RuntimeWarning, match=r"^the run diverged after \d steps: the loss is (nan|inf): samples"):
        history = adam(W, 0.0, Y, ReLU(), rng=0, batch_size=1, n_epochs=5)
    first = list(np.random.default_rng(0).permutation(4)).index(2)
    check_diverged(history, first)


def test_schedules():
    assert [constant_bias(-0.5)(step) for step in range(3)] == [-0.5] * 3
    assert_close([shrinking_bias(1.0, 1 / np.sqrt(1 - 0.75))(step) for step in range(3)], [1, 0.5, 0.25], ROUND_OFF)
    assert [shrinking_bias(-0.8)(step) for step in range(4)] == [-0.8, -0.4, -0.2, -0.1]
    assert np.array_equal(shrinking_bias(np.array([9.0, 18.0]), 3)(2), [1, 2])


def test_progress_is_shown_when_asked_for(problem, capsys):
    W, b, Y = problem
    for progress in (False, True):
        normalized_descent(W, constant_bias(b), Y, ReLU(), step_size=0.1, n_steps=2, progress=progress)
        adam(W, b, Y, ReLU(), rng=0, progress=progress)
        shown = capsys.readouterr().err
        assert ("descent" in shown, "Adam" in shown) == (progress, progress)


EYE = np.eye(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shrinking_bias(1.0, 0.5), "factor must lie in [1, inf); got 0.5"),
        (lambda: descend(step_size=-1.0), "step_size must lie in [0, inf); got -1"),
        (lambda: descend(n_steps=0), "n_steps must be a whole number at least 1; got 0"),
        (lambda: descend(W=0 * EYE), "B must have no zero column to be normalised; column 0 is zero"),
        (lambda: descend(Y=EYE[:, :2]), "Y must be a matrix of shape (any, 3); got shape (3, 2)"),
        (lambda: adam(EYE, 0, EYE, ReLU(), rng=0, batch_size=0), "batch_size must be a whole number at least 1; got 0"),
        (lambda: adam(EYE, 0, EYE, ReLU(), rng=0, n_epochs=1.5), "n_epochs must be a whole number at least 1; got 1.5"),
        (
            lambda: adam(EYE, 0, EYE, ReLU()),
            "give rng, which shuffles the samples, or batch_size=None, for all of them",
        ),
        (lambda: adam(EYE, 0, EYE * np.nan, ReLU(), rng=0), "Y must have finite entries; got 9 that are not"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


def descend(W=EYE, Y=EYE, step_size=0.1, n_steps=1):
    return normalized_descent(W, constant_bias(0.0), Y, ReLU(), step_size=step_size, n_steps=n_steps)
