r"""What the simulations of section 4.1 of the group-sparse paper are made of: their inputs, samples and start.

Samples of 500 groups of two atoms in 950 dimensions, three of them active, with strong noise; a start
:math:`A = A^* + B` with independent normal entries in B. What the paper leaves open is a field of `Simulation`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from aedyn._checks import check_matrix, check_number
from aedyn.activations import GroupShrinkage
from aedyn.dictionaries import make_groups, random_dictionary
from aedyn.generative import GroupSparse


@dataclass(frozen=True)
class Simulation:
    """Inputs of a simulation; the defaults are those of section 4.1, at its lowest signal-to-noise ratio.

    Parameters
    ----------
    n : int
        Dimension of the data.
    n_groups, group_size : int
        Number of groups (Gamma) and atoms in each (d).
    n_active : int
        Active groups of a sample (gamma).
    n_samples : int
    b_min, b_max : float
        Smallest and largest norm of an active group's code.
    snr_db : float
        Ten times the decimal logarithm of the mean square of the samples without noise over that of the noise.
    lam : float
        How much the activation takes from a norm (lambda, which the paper calls bias).
    correlation : float
        Of each column of the start with its atom, on average: it sets the variance of B.
    column_norm : float, optional
        What the columns of the start are scaled to; without it they stay as they are, about 1 / `correlation` long.
    network : {"group", "entrywise"}
        Whether the activation shrinks the true groups, or each entry by itself.
    nonnegative : bool
        Whether codes are kept from being negative, which makes the activation one-sided.
    rank_one : float
        As for `autoencoder.gradient`: 1 for the gradient, 0 for the paper's approximation (51) of it.
    normalized : bool
        Whether columns are scaled to norm 1 after each step.
    rate : float
        Learning rate of Adam.
    n_epochs : int
        Steps on all samples.
    seed : int
        Draws dictionary, codes, noise and start; runs with one seed differ in nothing but their other inputs.
    dtype : {"float32", "float64"}
        Precision of samples and weights; all is drawn and measured in double precision.
    """

    n: int = 950
    n_groups: int = 500
    group_size: int = 2
    n_active: int = 3
    n_samples: int = 10_000
    b_min: float = 4.0
    b_max: float = 5.0
    snr_db: float = 1.0
    lam: float = 2.0
    correlation: float = 0.15
    column_norm: float | None = None
    network: str = "group"
    nonnegative: bool = False
    rank_one: float = 1.0
    normalized: bool = False
    rate: float = 1e-3
    n_epochs: int = 300
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self):
        for name, allowed in {"network": ("group", "entrywise"), "dtype": ("float32", "float64")}.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")

    @property
    def activation(self):
        """Activation of the network."""
        size = self.group_size if self.network == "group" else 1
        groups = make_groups(self.n_groups * self.group_size, group_size=size)
        return GroupShrinkage(self.lam, groups, self.nonnegative)


class Problem(NamedTuple):
    """What a simulation draws.

    Attributes
    ----------
    model : GroupSparse
        The dictionary and the law of the codes.
    Y : ndarray, shape (n_samples, n)
        Samples with noise.
    codes : scipy.sparse.csr_array, shape (n_samples, m)
        True codes.
    start : ndarray, shape (n, m)
        Weights to start from.
    """

    model: GroupSparse
    Y: np.ndarray
    codes: csr_array
    start: np.ndarray


def draw(simulation):
    """Dictionary, samples and start of a simulation, in double precision.

    Parameters
    ----------
    simulation : Simulation

    Returns
    -------
    Problem
    """
    s, rng = simulation, np.random.default_rng(simulation.seed)
    A = random_dictionary(s.n, s.n_groups * s.group_size, rng)
    groups = make_groups(A.shape[1], group_size=s.group_size)
    model = GroupSparse(A, groups=groups, n_active=s.n_active, b_min=s.b_min, b_max=s.b_max)
    drawn = model.sample(s.n_samples, rng)
    Y = drawn.Y + noise_level(drawn.Y, s.snr_db) * rng.standard_normal(drawn.Y.shape)
    return Problem(model, Y, drawn.codes, perturbed_start(A, s.correlation, s.column_norm, rng))


def noise_level(Y, snr_db):
    """Standard deviation of each entry of the noise, for a signal-to-noise ratio in decibels.

    Parameters
    ----------
    Y : ndarray, shape (n_samples, n)
        Samples without noise.
    snr_db : float

    Returns
    -------
    float
    """
    return float(np.sqrt(np.mean(Y**2) / 10 ** (snr_db / 10)))


def perturbed_start(A, correlation, column_norm, rng):
    r"""Dictionary plus independent normal entries: the start A = A* + B of section 4.1.

    With entries of variance :math:`\sigma_B^2` a column has norm about :math:`\sqrt{1 + n\sigma_B^2}`, and the inverse
    of that is its correlation with the atom.

    Parameters
    ----------
    A : array_like, shape (n, m)
        Dictionary with unit columns.
    correlation : float
        Average correlation of a column with its atom, in (0, 1].
    column_norm : float or None
        What the columns are scaled to, or None to leave them as they are.
    rng : int or numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, m)
    """
    A = check_matrix("A", A)
    correlation = check_number("correlation", correlation, 0, 1, open_low=True)
    sigma_b = np.sqrt((1 / correlation**2 - 1) / len(A))
    W = A + sigma_b * np.random.default_rng(rng).standard_normal(A.shape)
    return W if column_norm is None else column_norm * W / np.linalg.norm(W, axis=0)
