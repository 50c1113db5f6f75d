r"""Moments of a normal vector over the wedge in which two units are active, the corrected Lemma A.2 and one more.

For unit vectors x, y at the angle :math:`\theta`, the vectors w with :math:`w \cdot x \ge 0` and :math:`w \cdot y \ge
0` fill, in the plane of x and y, a wedge of angle :math:`\pi - \theta` around x + y. With unit vectors b along x + y
and c along x - y its moments are diagonal.
"""

import numpy as np

from aedyn.ntk_limits import angles, kernels_at


def second_moments(X, Y):
    r"""Mean of :math:`1[w \cdot x \ge 0,\, w \cdot y \ge 0]\,w w^T` over standard normal w.

    .. math:: M = \frac{\pi - \theta}{2\pi} I + \frac{\sin\theta}{2\pi} (b b^T - c c^T) .

    Lemma A.2 of the paper on joint training has the first term only, the probability of the wedge. The second has trace
    0, so that Lemma A.3 is right all the same.

    Parameters
    ----------
    X, Y : array_like, shapes (n, d) and (p, d)
        Unit rows.

    Returns
    -------
    ndarray, shape (n, p, d, d)
    """
    theta, B, C = _wedges(X, Y)
    return (np.pi - theta) / (2 * np.pi) * np.eye(B.shape[-1]) + np.sin(theta) / (2 * np.pi) * (B - C)


def fourth_moments(X, Y):
    r"""Mean of :math:`\phi(w \cdot x)\,\phi(w \cdot y)\,w w^T` over standard normal w, with :math:`\phi` the ReLU.

    .. math:: N = T\,(I + b b^T + c c^T) + \frac{\pi - \theta + \sin\theta\cos\theta}{2\pi} (b b^T - c c^T)

    with T of `ntk_limits`.

    Parameters
    ----------
    X, Y : array_like, shapes (n, d) and (p, d)
        Unit rows.

    Returns
    -------
    ndarray, shape (n, p, d, d)
    """
    theta, B, C = _wedges(X, Y)
    turn = (np.pi - theta + np.sin(theta) * np.cos(theta)) / (2 * np.pi)
    return kernels_at(theta).decoder * (np.eye(B.shape[-1]) + B + C) + turn * (B - C)


def _wedges(X, Y):
    """Angles, to be multiplied by matrices, and the projectors on b and on c (0 where these vanish)."""
    theta, projectors = angles(X, Y), []
    for sign in (1, -1):
        axes = np.asarray(X, dtype=float)[:, None] + sign * np.asarray(Y)
        norms = np.linalg.norm(axes, axis=2, keepdims=True)
        axes /= np.where(norms > 0, norms, 1)
        projectors.append(axes[..., :, None] * axes[..., None, :])
    return theta[..., None, None], *projectors
