"""Steps of joint descent in fractions: the decomposition is an identity, and three claims fail on small networks."""

from fractions import Fraction

import naive
import numpy as np
import pytest
from tolerances import ROUND_OFF, assert_close

from aedyn import ntk_exact_steps as steps
from aedyn.ntk_bounds import spectrum


def rational(shape, seed):
    return np.vectorize(lambda x: Fraction(int(50 * x), 50), otypes=[object])(
        np.random.default_rng(seed).standard_normal(shape)
    )


@pytest.mark.parametrize("step", [Fraction(1, 10), Fraction(2)])
def test_the_decomposition_is_exact_and_needs_the_factor_2(step):
    W, A, X = rational((3, 12), 0), rational((3, 12), 1), rational((4, 3), 2)
    terms = steps.exact_step(W, A, X, step)
    assert terms.flips != 0 and terms.products != 0 and terms.flipped != 0
    assert terms.expansion(-2) == terms.after
    assert terms.expansion(-2 * terms.rate) != terms.after
    at_rate_1 = steps.exact_step(W, A, X, Fraction(3))
    assert at_rate_1.expansion(-2 * at_rate_1.rate) == at_rate_1.after, "at a step of d it happens to be right"


def test_terms_against_floating_point():
    W, A, X = rational((3, 12), 0), rational((3, 12), 1), rational((4, 3), 2)
    terms = steps.exact_step(W, A, X, Fraction(1))
    w, a, x = (array.astype(float) for array in (W, A, X))
    E = x - np.maximum(x @ w, 0) @ a.T / 6
    G, H = naive.tangent_kernels(w, a, x)
    assert_close(float(terms.kernel), E.ravel() @ (G + H) @ E.ravel(), ROUND_OFF)
    dW, dA = x.T @ ((x @ w >= 0) * (E @ a)) / 6, E.T @ np.maximum(x @ w, 0) / 6
    assert_close(float(terms.kernel), 3 * (np.sum(dW**2) + np.sum(dA**2)), ROUND_OFF)
    after = x - np.maximum(x @ (w + dW), 0) @ (a + dA).T / 6
    found = [float(value) for value in (terms.before, terms.after, terms.change, terms.rate)]
    assert_close(found, [np.sum(E**2), np.sum(after**2), np.sum((after - E) ** 2), 1 / 3], ROUND_OFF)


def test_the_flipping_pair():
    step = Fraction(1, 1000)
    W, A, X = steps.flipping_pair(step)
    assert_close(np.linalg.norm(X.astype(float), axis=1), np.ones(2), ROUND_OFF)
    assert (X @ W)[0].max() < 0 < (X @ W)[1].min()
    assert not (np.maximum(X @ W, 0) @ A.T).any(), "the outputs are zero"
    assert_close(spectrum(X.astype(float)).lambda_n, 32 / 25, ROUND_OFF)


def test_the_expansion_as_printed_is_refuted():
    sides = steps.expansion_sides()
    assert sides.refuted and sides.relation == "=="
    terms = steps.exact_step(*steps.flipping_pair(Fraction(1, 1000)), Fraction(1, 1000))
    assert terms.expansion(-2) == sides.left


def test_flips_cost_a_first_power_of_the_step():
    X = np.array(steps.flipping_pair(1)[2], dtype=float)
    theorem = spectrum(X).lambda_0 / (64 * 2 * spectrum(X).lambda_n)
    for step in (Fraction(1, 400), Fraction(1, 1000), Fraction(1, 10**6)):
        assert step < theorem and steps.flips_sides(step).refuted
    small, smaller = (steps.flips_sides(Fraction(1, 10**k)).values[0] * 10**k for k in (5, 6))
    assert small == pytest.approx(smaller, rel=1e-3)
    assert not steps.flips_sides(Fraction(1, 100)).refuted


def test_the_change_of_the_outputs_does_not_shrink_with_the_width():
    for root in (2, 4, 6, 20):
        left, right = steps.change_sides(root)[:2]
        assert left == 4 * Fraction(1, 1000) ** 2
        assert steps.change_sides(root).refuted == (root > 4)
        assert right == 64 * Fraction(1, 1000) ** 2 / root**2


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="m d must be a square; got 12"):
        steps.exact_step(rational((3, 4), 0), rational((3, 4), 0), rational((2, 3), 0), Fraction(1))
    with pytest.raises(ValueError, match="root must be even; got 3"):
        steps.one_sample(3)
