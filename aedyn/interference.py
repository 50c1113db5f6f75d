"""What the other active atoms can add to what a unit sees: the bounds behind every window of biases and thresholds."""

import math

import numpy as np


def interference(delta, n_atoms, coherence):
    r"""Upper bound on the interference of active atoms whose entries are at most 1.

    It is :math:`jc + \delta\sqrt{j(1 + (j-1)c)}` for j atoms of pairwise inner product at most c, seen by a unit at
    distance delta from its own atom: the first term is what the atom itself sees, the second bounds
    :math:`\langle W_i - A_i, \sum_j A_j x_j\rangle` by the norms. It corrects the display after "Cauchy-Schwarz" in
    appendix A.2 of the paper, :math:`\sqrt{\mu^2k^2/n + k\delta^2}`.

    Parameters
    ----------
    delta : float
        Distance of the unit from its atom.
    n_atoms : int
        Number of active atoms other than the unit's own.
    coherence : float
        Largest absolute inner product of two atoms.

    Returns
    -------
    float
    """
    return n_atoms * coherence + delta * np.sqrt(n_atoms * (1 + (n_atoms - 1) * coherence))


def worst_interference(delta, n_atoms, cosine, *, sqrt=math.sqrt):
    r"""Interference of atoms with inner products `cosine`, seen by the unit tilted towards their sum: closed form.

    With s the sum of j atoms, :math:`\langle A_i, s\rangle = jc` and :math:`\|s\|^2 = j(1 + (j-1)c)`, the unit at
    distance delta from A_i in the direction of s has
    :math:`\langle W_i, s\rangle = (1 - \delta^2/2)\,jc + \delta\sqrt{1-\delta^2/4}\,\sqrt{\|s\|^2 - (jc)^2}`.

    Parameters
    ----------
    delta, cosine : float or interval
        Distance and common inner product, both at least 0, in any arithmetic that `sqrt` understands, such as
        mpmath's intervals.
    n_atoms : int
    sqrt : callable
        Square root in that arithmetic.

    Returns
    -------
    float or interval
    """
    along = n_atoms * cosine
    square = n_atoms * (1 + (n_atoms - 1) * cosine)
    return (1 - delta**2 / 2) * along + delta * sqrt(1 - delta**2 / 4) * sqrt(square - along**2)
