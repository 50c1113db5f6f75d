"""The sweeps of the chapter on code consistency: what theorem and closed forms say of single points."""

import numpy as np
import pytest
from tolerances import STANDARD_ERRORS

from aedyn import code_consistency as room
from aedyn.activations import HardThreshold, ReLU
from aedyn.code_consistency_sweeps import SWEEPS, closeness, coherence, upper_end, width, window
from aedyn.dictionaries import orthonormal_dictionary, perturb
from aedyn.generative import MixtureOfGaussians, NonnegativeSparse


def share(experiment, seed=1, n_samples=300, **parameters):
    found = experiment(np.random.default_rng(seed), n_samples=n_samples, **parameters)
    return found["exact"] / n_samples


def test_the_window_of_the_theorem_is_good_for_the_worst_weights_and_its_surroundings_are_not():
    at = {"delta": 0.2, "n": 784, "m": 10}
    low, high = room.corrected_interval(0.2, noise=room.noise_level(1 / 28, 784))
    assert all(share(window, weights="worst", bias=b, **at) == 1 for b in (low + 1e-9, high))
    assert (
        share(window, weights="worst", bias=-0.2, **at) < 0.99 and share(window, weights="random", bias=-0.2, **at) == 1
    )
    for weights in ("worst", "random"):
        assert share(window, weights=weights, bias=0.0, **at) < 0.05
        assert share(window, weights=weights, bias=-1.2, **at) == 0


def test_random_weights_are_drawn_before_the_samples_of_the_window():
    rng = np.random.default_rng(4)
    A = orthonormal_dictionary(50, 6, rng)
    W = perturb(A, 0.3, rng)
    expected = room.support_recovery(MixtureOfGaussians(A, 50**-0.5), W, -0.4, ReLU(), 200, rng).n_exact
    found = window(np.random.default_rng(4), "random", 0.3, -0.4, 50, 6, 200)
    assert found == {"exact": expected}


def test_without_noise_the_corrected_upper_end_is_sharp():
    at = {"noise": 0.0, "delta": 0.1, "n": 784, "m": 10}
    end = room.corrected_interval(0.1).high
    A, W = room.upper_end_example(784, 10, 1, 0.1)
    seen = W[:, 0] @ A[:, 1]
    assert share(upper_end, bias=end, **at) == 1 == share(upper_end, bias=-seen - 1e-9, **at)
    assert 0.8 < share(upper_end, bias=-seen + 1e-9, **at) < 0.98


@pytest.mark.parametrize("noise", [0.5, 3.0])
def test_with_noise_the_error_at_the_upper_end_follows_the_closed_form(noise):
    A, W = room.upper_end_example(784, 10, 1, 0.1)
    exact = room.mixture_recovery(A.T @ W, -0.2, noise / 28)
    found = share(upper_end, noise=noise, bias=-0.2, delta=0.1, n=784, m=10, n_samples=20_000)
    # the closed form takes the noises of two tilted units for independent
    assert abs(found - exact) < 0.005 + STANDARD_ERRORS * np.sqrt(exact * (1 - exact) / 20_000)


def test_the_threshold_finds_close_weights_and_loses_far_ones():
    assert share(closeness, k=4, delta=0.5, n=256) == 1 and share(closeness, k=4, delta=1.1, n=256) == 0
    assert share(closeness, k=100, delta=0.05, n=256) == 1 and share(closeness, k=100, delta=0.5, n=256) < 0.2


def test_any_orthonormal_atoms_will_do_for_random_weights():
    rng = np.random.default_rng(2)
    A = orthonormal_dictionary(64, 64, rng)
    shares = []
    for _ in range(20):
        model = NonnegativeSparse(A, k=10)
        shares.append(room.support_recovery(model, perturb(A, 0.5, rng), 0, HardThreshold(0.5), 300, rng).probability)
    others = [share(closeness, seed=[3, i], k=10, delta=0.5, n=64) for i in range(20)]
    error = np.hypot(np.std(shares), np.std(others)) / np.sqrt(20)
    assert 0.1 < np.mean(shares) < 0.9 and abs(np.mean(shares) - np.mean(others)) < STANDARD_ERRORS * error


@pytest.mark.parametrize("k", [1, 3, 8])
def test_codes_of_one_sign_end_where_ck_is_one_half_and_signed_ones_last_longer(k):
    at = {"k": k, "n": 32}
    assert share(coherence, codes="non-negative", c=0.49 / k, **at) == 1
    assert share(coherence, codes="non-negative", c=0.51 / k, **at) == 0
    assert share(coherence, codes="signed", c=0.49 / k, **at) == 1
    assert share(coherence, codes="signed", c=0.51 / k, **at) > 0.2 or k == 1


def test_at_any_width_little_noise_is_harmless_and_much_is_not():
    for n in (64, 1024):
        assert share(width, n=n, noise=0.02 * np.sqrt(n), m=10) == 1
        assert share(width, n=n, noise=2 * np.sqrt(n), m=10) < 0.05


@pytest.mark.parametrize("name", SWEEPS)
def test_each_sweep_runs(name):
    table = SWEEPS[name].run(0.1, engine="serial", progress=False)
    assert not len(table.failures) and table.summary("exact", out_of="n_samples")["mean"].between(0, 1).all()
