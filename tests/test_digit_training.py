"""Training of the unfolded network: its steps, runs that are killed and resumed, and runs that diverge."""

import warnings
from dataclasses import replace

import naive
import numpy as np
import pytest
from sklearn.datasets import load_digits
from tolerances import ITERATED, ROUND_OFF, SINGLE, assert_close

from aedyn import digit_training
from aedyn.dictionaries import make_groups, normalize, random_dictionary
from aedyn.digit_training import train
from aedyn.unfolded import Unfolded, gradient

NETWORK = Unfolded(0.3, 0.05, make_groups(6, group_size=2), n_steps=3, nonnegative=True)


@pytest.fixture
def problem():
    """Start and samples: five batches of eight, the last of them smaller."""
    return random_dictionary(9, 6, 0), np.random.default_rng(1).standard_normal((37, 9))


def run(problem, network=NETWORK, **options):
    return train(*problem, network, **({"seed": 5, "n_epochs": 4, "batch_size": 8, "rate": 0.02} | options))


def same(one, other):
    """Whether two runs left the same bits."""
    return one.status == other.status and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("weights", "losses", "active_groups", "watched")
    )


class Killed(BaseException):
    """What ends a run from outside."""


def kill(monkeypatch, after):
    """Let the run be killed at its next gradient after so many."""
    left = iter(range(after))

    def until_killed(*arguments):
        if next(left, None) is None:
            raise Killed
        return gradient(*arguments)

    monkeypatch.setattr(digit_training, "gradient", until_killed)


def test_steps_are_those_of_adam_with_normalised_columns(problem):
    W, Y = problem
    found = run((3 * W, Y), n_epochs=2, watch=np.copy)
    mean = square = np.zeros_like(W)
    step, weights = 0, W
    for epoch in range(2):
        order = np.random.default_rng([5, epoch]).permutation(37)
        losses, active = [], []
        for start in range(0, 37, 8):
            batch, step = Y[order[start : start + 8]], step + 1
            part = gradient(weights, batch, NETWORK)
            losses += [part.loss] * len(batch)
            active += [part.active_groups] * len(batch)
            mean, square, change = naive.adam_change(part.weights, mean, square, 0.02, 0.9, 0.999, step)
            weights = normalize(weights - change)
        assert_close(found.losses[epoch], np.mean(losses), ITERATED)
        assert_close(found.active_groups[epoch], np.mean(active), ITERATED)
        assert_close(found.watched[epoch + 1], weights, ITERATED)
    assert_close(found.watched[0], W, ROUND_OFF)
    assert np.array_equal(found.watched[-1], found.weights) and found.status == "finished"
    assert np.abs(found.weights - W).max() > 0.05, "training moved"
    assert_close(np.linalg.norm(found.weights, axis=0), np.ones(6), ROUND_OFF)
    assert found.losses.shape == found.active_groups.shape == (2,)


def test_samples_come_in_another_order_in_each_epoch_and_for_each_seed(problem, monkeypatch):
    seen = []
    monkeypatch.setattr(
        digit_training, "gradient", lambda W, Y, network: seen.append(Y[:, 0]) or gradient(W, Y, network)
    )
    run(problem, n_epochs=2)
    run(problem, n_epochs=1, seed=6)
    orders = np.concatenate(seen).reshape(3, 37)
    assert all(np.array_equal(np.sort(order), np.sort(problem[1][:, 0])) for order in orders)
    assert not any(np.array_equal(orders[k], orders[k - 1]) for k in range(3))


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_falls_on_digits(one_sided, dtype):
    Y = (load_digits().data[:200] / 16).astype(dtype)
    W = random_dictionary(64, 20, 0)
    network = Unfolded(0.1, groups=make_groups(20, group_size=4), n_steps=5, nonnegative=one_sided)
    found = train(W, Y, network, seed=0, n_epochs=4, batch_size=50, rate=0.02)
    assert (np.diff(found.losses) < 0).all() and found.losses[-1] < 0.5 * found.losses[0]
    assert gradient(found.weights, Y, network).loss < found.losses[-1]
    assert found.weights.dtype == dtype
    assert_close(np.linalg.norm(found.weights.astype(float), axis=0), np.ones(20), SINGLE)


def test_same_bits_for_any_number_of_threads(problem, set_threads, monkeypatch):
    monkeypatch.setattr("aedyn.unfolded.PIECE_ROWS", 3)
    runs = []
    for n_threads in (1, 2):
        set_threads(n_threads)
        runs.append(run(problem))
    assert same(*runs)


# Checkpoints ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("killed_after", [3, 5, 12, 19])  # gradients, five of them an epoch
def test_killed_and_resumed_gives_the_same_bits(problem, dtype, killed_after, tmp_path, monkeypatch):
    problem = problem[0], problem[1].astype(dtype)
    options = {"checkpoint": tmp_path / "run.npz", "watch": lambda W: W[:2, 0]}
    whole = run(problem, watch=options["watch"])
    kill(monkeypatch, killed_after)
    with pytest.raises(Killed):
        run(problem, **options)
    assert options["checkpoint"].exists() == (killed_after >= 5)
    kill(monkeypatch, 20 - killed_after // 5 * 5)  # those of complete epochs are not repeated
    assert same(run(problem, **options), whole)
    kill(monkeypatch, 0)
    assert same(run(problem, **options), whole)


def test_more_epochs_continue_a_run_and_fewer_are_refused(problem, tmp_path):
    path = tmp_path / "run.npz"
    run(problem, checkpoint=path, n_epochs=2)
    assert same(run(problem, checkpoint=path), run(problem))
    with pytest.raises(ValueError, match="checkpoint of a run of 4 epochs; got n_epochs = 3"):
        run(problem, checkpoint=path, n_epochs=3)


def test_killed_while_writing_leaves_the_checkpoint_before(problem, tmp_path, monkeypatch):
    path, savez = tmp_path / "run.npz", np.savez
    written = []

    def half(file, **arrays):
        written.append(arrays)
        if len(written) < 3:
            return savez(file, **arrays)
        file.write(b"PK\x03\x04")
        raise Killed

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(Killed):
        run(problem, checkpoint=path)
    monkeypatch.undo()
    with np.load(path) as stored:
        assert len(stored["losses"]) == 2
    assert same(run(problem, checkpoint=path), run(problem))
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


OTHERS = {
    "start": lambda W, Y: {"problem": (W + 1e-6, Y)},
    "samples": lambda W, Y: {"problem": (W, Y + 1e-12)},
    "precision": lambda W, Y: {"problem": (W, Y.astype(np.float32))},
    "threshold": lambda W, Y: {"network": replace(NETWORK, group_lam=0.31)},
    "groups": lambda W, Y: {"network": replace(NETWORK, groups=make_groups(6, group_size=3))},
    "kind of codes": lambda W, Y: {"network": replace(NETWORK, nonnegative=False)},
    "seed": lambda W, Y: {"seed": 6},
    "rate": lambda W, Y: {"rate": 0.021},
    "batch size": lambda W, Y: {"batch_size": 9},
    "watch": lambda W, Y: {"watch": np.mean},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_checkpoint_of_other_inputs_is_refused(problem, other, tmp_path):
    path = tmp_path / "run.npz"
    run(problem, checkpoint=path, n_epochs=1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="run.npz is the checkpoint of a run with other inputs"):
        run(**({"problem": problem} | other(*problem)), checkpoint=path)
    assert path.read_bytes() == before


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_divergence_is_reported_and_the_last_finite_weights_kept(problem, tmp_path, monkeypatch):
    path, calls = tmp_path / "run.npz", []

    def overflow(W, Y, network):
        calls.append(W)
        part = gradient(W, Y, network)
        return part if len(calls) < 8 else part._replace(weights=part.weights * np.nan)

    monkeypatch.setattr(digit_training, "gradient", overflow)
    with pytest.warns(RuntimeWarning, match="the run diverged in epoch 2: the step is not finite"):
        found = run(problem, checkpoint=path, watch=np.mean)
    assert found.status == "diverged"
    assert np.array_equal(found.weights, calls[-1]) and len(calls) == 8
    assert len(found.losses) == len(found.active_groups) == 1 and len(found.watched) == 2
    monkeypatch.undo()
    assert same(run(problem, checkpoint=path, watch=np.mean), run(problem, watch=np.mean)), "the checkpoint is sound"


def test_samples_too_large_diverge(problem):
    W, Y = problem
    with pytest.warns(RuntimeWarning, match="diverged in epoch 1: the loss is"), np.errstate(all="ignore"):
        found = run((W, 1e200 * Y))
    assert found.status == "diverged" and found.losses.shape == found.active_groups.shape == (0,)
    assert np.isfinite(found.weights).all()


def test_a_sound_run_warns_of_nothing(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(problem).watched.shape == (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_epochs": 0}, "n_epochs must be a whole number at least 1"),
        ({"batch_size": 2.5}, "batch_size must be a whole number at least 1"),
        ({"rate": 0}, r"rate must lie in \(0, inf\)"),
    ],
)
def test_options_that_are_refused(problem, options, message):
    with pytest.raises(ValueError, match=message):
        run(problem, **options)


def test_samples_that_are_no_numbers_are_refused(problem):
    problem[1][3, 2] = np.nan
    with pytest.raises(ValueError, match="Y must have finite entries; got 1 that are not"):
        run(problem)
