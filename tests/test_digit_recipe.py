"""Recipes: where the atoms start, what the network is, and the training that follows."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from tolerances import ROUND_OFF, SINGLE, assert_close

from aedyn import datasets, digit_training
from aedyn.digit_graph import communities, neighbour_graph
from aedyn.digit_recipe import STARTS, Recipe, fit, image_groups, start_atoms
from aedyn.unfolded import encode

SMALL = Recipe(n_groups=3, group_size=2, lam=0.2)


@pytest.fixture(scope="module")
def images():
    """Digits 0, 1 and 2 of scikit-learn, and which is which."""
    data = datasets.load_digits()
    kept = np.flatnonzero(data.labels < 3)[:300]
    return data.pixels[kept], data.labels[kept]


# Start ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", STARTS)
def test_starts(images, start):
    Y, _ = images
    recipe = replace(SMALL, start=start)
    labels = None if start in ("random", "images") else image_groups(recipe, Y, 0)
    atoms, other = (start_atoms(recipe, Y, seed, labels) for seed in (0, 1))
    assert atoms.shape == (64, 6) and np.linalg.matrix_rank(atoms) == 6
    assert_close(np.linalg.norm(atoms, axis=0), np.ones(6), ROUND_OFF)
    assert np.array_equal(atoms, start_atoms(recipe, Y, 0, labels)) and not np.array_equal(atoms, other)
    found = [np.flatnonzero((np.abs(naive.normalize(Y.T) - atom[:, None]) < 1e-12).all(axis=0)) for atom in atoms.T]
    assert all(len(rows) for rows in found) == start.endswith("images")
    if start == "community images":
        assert [labels[rows[0]] for rows in found] == [0, 0, 1, 1, 2, 2]
    assert (atoms.min() > -ROUND_OFF) == (start != "random"), "all others are made of images"
    single = start_atoms(recipe, Y.astype(np.float32), 0, labels)
    assert single.dtype == np.float32


def test_centres_are_means_of_their_group(images):
    Y, _ = images
    labels = communities(neighbour_graph(Y), 0, 3)
    one = start_atoms(replace(SMALL, group_size=1), Y, 0, labels)
    means = np.array([Y[labels == g].mean(axis=0) for g in range(3)])
    assert_close(one, naive.normalize(means.T), ROUND_OFF)
    for g, (first, second) in enumerate(zip(*2 * [iter(start_atoms(SMALL, Y, 0, labels).T)], strict=True)):
        cut = image_groups(replace(SMALL, start="kmeans", n_groups=2), Y[labels == g], 0)
        centres = naive.normalize(np.array([Y[labels == g][cut == c].mean(axis=0) for c in (0, 1)]).T)
        assert_close(np.column_stack([first, second]), centres, ROUND_OFF)


def test_groups_of_images_are_made_without_labels(images):
    Y, digits = images
    graph = neighbour_graph(Y)
    found = image_groups(SMALL, Y, 3)
    assert np.array_equal(found, communities(graph, 3, 3))
    assert np.array_equal(found, image_groups(SMALL, Y, 3, graph))
    assert set(image_groups(replace(SMALL, start="kmeans"), Y, 3)) == {0, 1, 2}
    with pytest.raises(ValueError, match="^a start of random atoms has no groups of images$"):
        image_groups(replace(SMALL, start="random"), Y, 3)


def test_starts_that_cannot_be_made_are_refused(images):
    Y, _ = images
    with pytest.raises(ValueError, match="^a start of communities needs labels, those of image_groups; got None$"):
        start_atoms(SMALL, Y, 0)
    labels = np.repeat([0, 1, 2], [297, 2, 1])
    with pytest.raises(ValueError, match="^each group of images must have at least 2; got one of 1$"):
        start_atoms(SMALL, Y, 0, labels)
    with pytest.raises(ValueError, match="^each group of images must have at least 2; got one of 0$"):
        start_atoms(replace(SMALL, n_groups=4), Y[:299], 0, labels[:299])


# Network --------------------------------------------------------------------------------------------------------------


def test_networks_are_as_the_recipe_says():
    group, entry = SMALL.network, replace(SMALL, penalty="entry", scaled=False, nonnegative=False).network
    assert (group.group_lam, group.entry_lam, group.nonnegative, group.scaled) == (0.2, 0.0, True, True)
    assert [list(group.groups[g]) for g in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert (entry.group_lam, entry.entry_lam, entry.nonnegative, entry.scaled) == (0.0, 0.2, False, False)
    assert group.n_steps == entry.n_steps == 15 and group.accelerated


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"start": "labels"}, "start must be one of random, images, kmeans, communities, community images; got"),
        ({"penalty": "pairs"}, "penalty must be one of group, entry; got 'pairs'"),
        ({"lam": -1.0}, "lam must lie in"),
        ({"n_groups": 0}, "n_groups must be a whole number at least 1; got 0"),
        ({"n_epochs": -1}, "n_epochs must be a whole number at least 0; got -1"),
    ],
)
def test_recipes_are_checked(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        replace(SMALL, **changes)


# Training -------------------------------------------------------------------------------------------------------------


def test_fit_by_hand(images, tmp_path):
    Y, _ = images
    fitted = fit(SMALL, Y, 4)
    mean = Y.mean(axis=0)
    atoms = start_atoms(SMALL, Y - mean, 4, image_groups(SMALL, Y, 4))
    training = digit_training.train(atoms, Y - mean, SMALL.network, seed=4, n_epochs=2)
    assert np.array_equal(fitted.start, atoms) and np.array_equal(fitted.weights, training.weights)
    assert np.array_equal(fitted.losses, training.losses) and fitted.losses[1] < fitted.losses[0]
    assert np.array_equal(fitted.encode(Y[:7]), encode(training.weights, Y[:7] - mean, SMALL.network))
    for n_epochs in (1, 2):
        resumed = fit(replace(SMALL, n_epochs=n_epochs), Y, 4, start=atoms, checkpoint=tmp_path / "run.npz")
    assert np.array_equal(resumed.weights, fitted.weights)
    shared = fit(replace(SMALL, centred=False), Y, 4)
    assert not shared.mean.any() and not np.allclose(shared.weights, fitted.weights)
    assert np.array_equal(shared.encode(Y[:7]), encode(shared.weights, Y[:7], SMALL.network))


def test_no_epochs_leave_the_start(images):
    Y, _ = images
    fitted = fit(replace(SMALL, n_epochs=0), Y.astype(np.float32), 0)
    assert np.array_equal(fitted.weights, fitted.start) and len(fitted.losses) == 0
    assert fitted.weights.dtype == np.float32


def test_penalty_is_raised_in_equal_parts(images):
    Y, _ = images
    recipe = replace(SMALL, start="images", centred=False, raised=True, n_epochs=3)
    fitted = fit(recipe, Y, 5)
    W, losses = start_atoms(recipe, Y, 5), []
    for epoch in range(3):
        network = replace(recipe, lam=0.2 * (epoch + 1) / 3).network
        training = digit_training.train(W, Y, network, seed=5 + 1000 * epoch, n_epochs=1)
        W = training.weights
        losses.append(training.losses[0])
    assert_close(fitted.weights, W, ROUND_OFF)
    assert_close(fitted.losses, np.array(losses), ROUND_OFF)
    assert not np.allclose(fitted.weights, fit(replace(recipe, raised=False), Y, 5).weights, atol=SINGLE)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_training_that_diverges_is_an_error(images):
    Y, _ = images
    with pytest.warns(RuntimeWarning, match="diverged"), pytest.raises(FloatingPointError, match="diverged after 0 ep"):
        fit(replace(SMALL, start="random", centred=False), 1e200 * Y, 0)
