"""The wide network: gradients against loops, differences and PyTorch; descent against its own definition."""

import naive
import numpy as np
import pytest
from tolerances import DIFFERENCE, ITERATED, ROUND_OFF, SINGLE, STEP, assert_close

from aedyn import unit_samples, wide_network
from aedyn.ntk_kernels import decoder_kernel
from aedyn.wide_network import REGIMES, descend, draw_weights, gradients, outputs

SPHERE = unit_samples.sphere(10, 5, 0)
START = draw_weights(5, 2000, 0)


@pytest.fixture
def problem():
    """Weights of 23 units and six samples, none of them near a kink."""
    rng = np.random.default_rng(5)
    W, A, X = rng.standard_normal((4, 23)), rng.standard_normal((4, 23)), unit_samples.sphere(6, 4, rng)
    assert np.abs(X @ W).min() > 1e-3
    return W, A, X


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of three units and shares of a few pieces, also for small networks."""
    monkeypatch.setattr(wide_network, "SMALL", 1)
    monkeypatch.setattr(wide_network, "TILE", 3)
    monkeypatch.setattr(wide_network, "SHARE", 100)


# Gradients ------------------------------------------------------------------------------------------------------------


def test_gradients_as_written(problem):
    W, A, X = problem
    loss, of_W, of_A = naive.wide_gradients(W, A, X)
    found = gradients(*problem)
    assert_close(found.loss, loss, ROUND_OFF)
    assert_close(found.W, of_W, ROUND_OFF)
    assert_close(found.A, of_A, ROUND_OFF)
    assert_close(outputs(*problem), np.array([naive.wide_output(W, A, x) for x in X]), ROUND_OFF)


@pytest.mark.parametrize("layer", ["W", "A"])
def test_gradients_are_the_slopes_of_the_loss(problem, layer):
    W, A, X = problem
    slope, rng = getattr(gradients(*problem), layer), np.random.default_rng(6)
    for _ in range(5):
        D = rng.standard_normal(W.shape) * STEP
        ahead, behind = (gradients(W + s * D * (layer == "W"), A + s * D * (layer == "A"), X).loss for s in (1, -1))
        assert_close((ahead - behind) / 2, np.vdot(slope, D), DIFFERENCE * np.abs(slope).sum() / abs(np.vdot(slope, D)))


def test_printed_gradient_is_not_the_slope(problem):
    """(4.2) prints a x^T (x - u) for x a^T (x - u)."""
    W, A, X = problem
    E, active = X - outputs(*problem), X @ W >= 0
    inner = np.einsum("ia,ia->i", X, E)
    printed = -np.einsum("i,ir,ar->ar", inner, active, A) / np.sqrt(W.size)
    right = -np.einsum("ia,ar,ir,ic->cr", E, A, active, X) / np.sqrt(W.size)
    assert_close(gradients(*problem).W, right, ROUND_OFF)
    assert np.abs(printed - right).max() > 0.1 * np.abs(right).max()


def test_against_autograd(problem):
    torch = pytest.importorskip("torch", reason="torch is not installed; requirements-torch.txt names the version")
    W, A, X = (torch.tensor(V, requires_grad=i < 2) for i, V in enumerate(problem))
    loss = (X - (X @ W).relu() @ A.T / W.numel() ** 0.5).square().sum() / 2
    loss.backward()
    found = gradients(*problem)
    assert_close(found.loss, loss.item(), ROUND_OFF)
    assert_close(found.W, W.grad.numpy(), ROUND_OFF)
    assert_close(found.A, A.grad.numpy(), ROUND_OFF)


def test_a_unit_at_zero_is_active():
    X, W, A = np.eye(2), np.array([[0.0], [-1.0]]), np.ones((2, 1))
    assert gradients(W, A, X).W[0, 0] == -1 / np.sqrt(2)
    run = descend(W, A, X, regime="encoder", step=1, n_steps=1)
    assert run.W[0, 0] == 1 / np.sqrt(2) and run.W[1, 0] == -1


def test_start():
    assert START.W[0, 0] == pytest.approx(0.1257302211, abs=1e-10)
    assert START.A.sum() == -82 and set(np.unique(START.A)) == {-1, 1}
    assert np.linalg.norm(SPHERE - outputs(*START, SPHERE)) ** 2 == pytest.approx(14.8255925216, rel=1e-10)
    assert np.linalg.norm(START.W, 2) == pytest.approx(46.0299754, rel=1e-8)
    assert np.linalg.norm(START.A, 2) == pytest.approx(46.3034717, rel=1e-8)


# Descent --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", REGIMES)
def test_descent_is_the_loop_it_claims_to_be(problem, small_pieces, regime):
    W, A, X = problem
    losses, step = [], 0.7
    for _ in range(6):
        now = gradients(W, A, X)
        losses.append(now.loss)
        W, A = W - step * now.W * (regime != "decoder"), A - step * now.A * (regime != "encoder")
    run = descend(*problem, regime=regime, step=step, n_steps=6)
    assert run.status == "finished" and run.n_iter == 6
    assert_close(run.losses, np.append(losses, gradients(W, A, X).loss), ROUND_OFF)
    assert_close(run.W, W, ROUND_OFF)
    assert_close(run.A, A, ROUND_OFF)
    moved = [not np.array_equal(now, before) for now, before in zip((run.W, run.A), problem, strict=False)]
    assert moved == [regime != "decoder", regime != "encoder"]


@pytest.mark.parametrize(
    ("regime", "loss", "W_move", "A_move"),
    [
        ("encoder", 0.0308214, 8.888751, 0),
        ("joint", 0.0098801, 4.850488, 4.358987),
        ("decoder", 0.1252512, 0, 8.967412),
    ],
)
def test_reference_runs(regime, loss, W_move, A_move):
    run = descend(*START, SPHERE, regime=regime, step=0.5, n_steps=100)
    assert 2 * run.losses[-1] == pytest.approx(loss, abs=6e-8)
    assert np.linalg.norm(run.W - START.W) == pytest.approx(W_move, abs=1e-6)
    assert np.linalg.norm(run.A - START.A) == pytest.approx(A_move, abs=1e-6)


def test_same_bits_for_any_number_of_threads(problem, small_pieces, set_threads):
    runs = []
    for n_threads in (1, 2, 4):
        set_threads(n_threads)
        runs.append(descend(*problem, regime="joint", step=0.5, n_steps=20))
    for run in runs[1:]:
        assert np.array_equal(run.losses, runs[0].losses)
        assert np.array_equal(run.W, runs[0].W) and np.array_equal(run.A, runs[0].A)


def test_decoder_alone_is_a_linear_recursion():
    m, step = 300, 0.4
    W, A = draw_weights(5, m, 3)
    E = SPHERE - outputs(W, A, SPHERE)
    contraction = np.eye(10) - step / 5 * decoder_kernel(W, SPHERE)
    expected = [0.5 * np.linalg.norm(np.linalg.matrix_power(contraction, k) @ E) ** 2 for k in range(31)]
    run = descend(W, A, SPHERE, regime="decoder", step=step, n_steps=30)
    assert expected[-1] < 0.5 * expected[0]
    assert_close(run.losses, np.array(expected), ITERATED)


def test_one_sample_and_one_unit():
    """u = w a; the joint step multiplies out by hand."""
    run = descend([[2.0]], [[0.25]], [[1.0]], regime="joint", step=0.5, n_steps=1)
    assert run.losses[0] == 0.125
    assert run.W[0, 0] == 2 + 0.5 * 0.25 * 0.5 and run.A[0, 0] == 0.25 + 0.5 * 2 * 0.5
    assert run.losses[1] == 0.5 * (1 - run.W[0, 0] * run.A[0, 0]) ** 2


def test_single_precision_follows_double(problem, small_pieces):
    W, A, X = problem
    single = descend(W, A, X.astype(np.float32), regime="joint", step=0.5, n_steps=20)
    double = descend(W, A, X, regime="joint", step=0.5, n_steps=20)
    assert single.W.dtype == single.A.dtype == np.float32
    assert_close(single.W, double.W, SINGLE)
    assert_close(single.losses, double.losses, SINGLE)
    assert not np.array_equal(single.W, double.W)


def test_target_stops(problem):
    full = descend(*problem, regime="joint", step=0.5, n_steps=200)
    run = descend(*problem, regime="joint", step=0.5, n_steps=200, target=0.1)
    assert run.status == "reached" and 0 < run.n_iter < 200
    assert run.losses[-1] <= 0.1 * run.losses[0] < run.losses[-2]
    assert np.array_equal(run.losses, full.losses[: run.n_iter + 1])
    assert descend(*problem, regime="joint", step=0.5, n_steps=0).n_iter == 0


def test_watch_sees_every_step(problem):
    W, A, X = problem
    seen = []

    def watch(k, W, A):
        seen.append(gradients(W, A, X).loss)
        return k if k % 2 == 0 else None

    run = descend(W, A, X, regime="joint", step=0.5, n_steps=5, watch=watch)
    assert run.watched == [0, 2, 4]
    assert_close(np.array(seen), run.losses, ROUND_OFF)


@pytest.mark.parametrize("regime", REGIMES)
def test_divergence_is_reported(problem, regime):
    with pytest.warns(RuntimeWarning, match="diverged after"):
        run = descend(*problem, regime=regime, step=1e6, n_steps=1000)
    assert run.status == "diverged" and run.n_iter < 1000
    assert not np.isfinite(run.losses[-1]) and np.isfinite(run.losses[:-1]).all()


def test_bad_input(problem):
    W, A, X = problem
    with pytest.raises(ValueError, match="regime must be one of"):
        descend(W, A, X, regime="both", step=1, n_steps=1)
    with pytest.raises(ValueError, match="W must have a row for each of the 4 columns"):
        outputs(W[:3], A[:3], X)
    with pytest.raises(ValueError, match="A must be a matrix of shape"):
        gradients(W, A[:, :3], X)
    with pytest.raises(ValueError, match="step must lie in"):
        descend(W, A, X, step=-1, n_steps=1)
