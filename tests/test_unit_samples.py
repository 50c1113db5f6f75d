"""Data sets of unit vectors: norms, what makes each of them what it is, and bad input."""

import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close, assert_mean

from aedyn import unit_samples
from aedyn.datasets import load_digits

SETS = {
    "sphere": (lambda: unit_samples.sphere(7, 3, 0), (7, 3)),
    "orthonormal": (lambda: unit_samples.orthonormal(4, 6), (4, 6)),
    "clusters": (lambda: unit_samples.clusters(3, 4, 5, 0.3, 0), (12, 5)),
    "near_duplicate": (lambda: unit_samples.near_duplicate(5, 4, 0.1, 0), (5, 4)),
    "antipodal": (lambda: unit_samples.antipodal(3, 4, 0), (6, 4)),
    "pair": (lambda: unit_samples.pair(1.0), (2, 2)),
    "digits": (lambda: unit_samples.digits(5), (5, 64)),
}


@pytest.mark.parametrize("name", SETS)
def test_rows_are_unit_vectors(name):
    draw, shape = SETS[name]
    X = draw()
    assert X.shape == shape and X.dtype == float and X.flags.c_contiguous
    assert_close(np.linalg.norm(X, axis=1), np.ones(shape[0]), ROUND_OFF)
    assert np.array_equal(X, draw()), "the seed says it all"


def test_columns_are_drawn_and_transposed():
    columns = np.random.default_rng(3).standard_normal((4, 9))
    assert_close(unit_samples.sphere(9, 4, 3), (columns / np.linalg.norm(columns, axis=0)).T, ROUND_OFF)


def test_the_sphere_has_no_preferred_direction():
    X = unit_samples.sphere(2000, 3, 0)
    assert_mean(X, np.zeros(3))
    assert_mean(X[:, :, None] * X[:, None, :], np.eye(3) / 3)


def test_clusters_keep_near_their_centres():
    rng = np.random.default_rng(2)
    X = unit_samples.clusters(200, 5, 50, 0.1, rng).reshape(200, 5, 50)
    inside = 1 - np.einsum("cid,cjd->cij", X, X)[:, 0, 1:]
    # half the squared distance of two, of which the tangential share, 49/50, remains, less a little for the norms
    assert 0.95 * 0.1**2 < inside.mean() < 0.98 * 0.1**2
    alone = unit_samples.clusters(3, 4, 5, 0, 1).reshape(3, 4, 5)
    assert_close(alone, np.repeat(alone[:, :1], 4, axis=1), ROUND_OFF)
    assert np.linalg.norm(alone[0, 0] - alone[1, 0]) > 0.1


@pytest.mark.parametrize("angle", [1e-6, 0.1, 2.0, np.pi])
def test_the_last_sample_is_at_the_angle_from_the_first(angle):
    X = unit_samples.near_duplicate(6, 4, angle, 5)
    assert abs(np.linalg.norm(X[-1] - X[0]) - 2 * np.sin(angle / 2)) < ROUND_OFF
    assert_close(X[:-1], unit_samples.sphere(5, 4, 5), ROUND_OFF)


def test_pairs_and_antipodes():
    assert_close(unit_samples.pair(0.7).prod(axis=0).sum(), np.cos(0.7), ROUND_OFF)
    X = unit_samples.antipodal(4, 3, 0)
    assert np.array_equal(X[4:], -X[:4])


def test_digits_are_the_first_ones():
    pixels = load_digits().pixels[:3]
    assert_close(unit_samples.digits(3), pixels / np.linalg.norm(pixels, axis=1)[:, None], ROUND_OFF)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="X must have rows of norm 1; row 1 has norm 2"):
        unit_samples.check_unit_rows("X", [[1, 0], [0, 2]])
    with pytest.raises(ValueError, match="d must be a whole number at least 4; got 3"):
        unit_samples.orthonormal(4, 3)
    with pytest.raises(ValueError, match="angle must lie in"):
        unit_samples.pair(4.0)
    with pytest.raises(ValueError, match="n must be a whole number from 1 to 1797; got 2000"):
        unit_samples.digits(2000)
