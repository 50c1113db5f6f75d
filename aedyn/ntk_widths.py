r"""Widths that suffice for linear convergence: the paper's, with the constants of its proofs, and repaired ones.

All functions take the eigenvalues of `ntk_limits.spectrum` and a failure probability :math:`\delta`, and return a width
m as a float, for widths beyond any machine occur. "Printed" follows the paper's argument with its slips corrected where
a factor 2 is lost; what is not proved in the paper is said. "Repaired" widths are proved; see `ntk_repairs`.
"""

from math import e, exp, inf, log, pi, sqrt
from typing import NamedTuple

from scipy.optimize import brentq

from aedyn._checks import check_number

FLOW = (2.0, sqrt(3 / 4) - sqrt(1 / 2))  # squared path length in d E^2/lambda, and what the root of lambda may lose
DESCENT = (10.0, sqrt(3 / 4) - sqrt(5 / 8))


# Table 1 --------------------------------------------------------------------------------------------------------------


class TableRow(NamedTuple):
    """A row of Table 1 with the constant C = 1.

    Attributes
    ----------
    regime : str
        "encoder" or "joint".
    reference : str
    single, multiple : float
        Widths for one output and for d outputs; NaN where there is none.
    """

    regime: str
    reference: str
    single: float
    multiple: float


def table1(data, distance, delta):
    r"""Table 1 of the paper, evaluated, with two more rows for its joint bound.

    In its proof the smallest eigenvalue of the decoder's kernel is needed, which is :math:`\lambda_T` and not
    :math:`\lambda_0`; and with that eigenvalue much less is enough (`joint_width`).

    Parameters
    ----------
    data : ntk_limits.Spectrum
    distance : float
        Smallest distance between two samples, Delta.
    delta : float
        Failure probability.

    Returns
    -------
    list of TableRow
    """
    n, d, top, low, low_T = data.n, data.d, data.lambda_n, data.lambda_0, data.lambda_T
    delta, distance = _probability(delta), check_number("distance", distance, 0, 2)
    hard = low**4 * delta**3
    with_logarithm = n**6 / hard
    for _ in range(100):  # m stands on both sides
        with_logarithm = n**6 * log(with_logarithm / delta) / hard
    nan = float("nan")
    rows = (
        ("encoder", "Du et al. (2018)", n**6 / hard, nan),
        ("encoder", "this paper", n**5 * top / hard, n**5 * d**4 * top / hard),
        ("encoder", "Oymak and Soltanolkotabi (2019)", n * top**3 / low**4, nan),
        ("joint", "Du et al. (2018)", with_logarithm, nan),
        ("joint", "Zou and Gu (2019)", n**8 / distance**4, n**8 * d / distance**4),
        ("joint", "this paper", n * top**3 / (low**4 * delta**2), n * d * top**3 / (low**4 * delta**2)),
        ("joint", "this paper, lambda_T", n * top**3 / (low_T**4 * delta**2), n * d * top**3 / (low_T**4 * delta**2)),
        ("joint", "repaired", n * top / (low_T**2 * delta), n * d * top / (low_T**2 * delta)),
    )
    return [TableRow(*row) for row in rows]


def joint_advantage(data, delta):
    r"""How many times larger the encoder-only bound of Table 1 is than the joint one, with :math:`\lambda_T` in it.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float

    Returns
    -------
    float
        :math:`n^4 d^3 \lambda_T^4/(\lambda_n^2 \delta \lambda_0^4)`; below 1 joint training has the larger bound.
    """
    ratio = data.lambda_T / data.lambda_0
    return data.n**4 * data.d**3 * ratio**4 / (data.lambda_n**2 * _probability(delta))


# Kernels at initialisation --------------------------------------------------------------------------------------------


class EncoderConcentration(NamedTuple):
    r"""Widths at which the encoder's kernel is close to its limit (Lemma 4.1).

    Attributes
    ----------
    bernstein : float
        For :math:`\|G(0) - G^\infty\| \le \lambda_0/4`, from the printed proof.
    chernoff : float
        For :math:`\lambda_{\min}(G(0)) \ge 3\lambda_0/4` alone.
    """

    bernstein: float
    chernoff: float


def encoder_concentration(data, delta):
    r"""Widths at which the encoder's kernel is close to its limit with probability :math:`1 - \delta` (Lemma 4.1).

    The terms of G are positive semidefinite with norm at most :math:`d\lambda_n`. Matrix Bernstein gives the first; the
    lower tail of matrix Chernoff, :math:`nd\exp(-m\lambda_0/32 d\lambda_n)` at a quarter below the mean, the second.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float

    Returns
    -------
    EncoderConcentration
    """
    n, d, top, low = data.n, data.d, data.lambda_n, data.lambda_0
    delta = _probability(delta)
    bernstein = 32 * (d * top**2 + (d + 1) * top * low / 12) * log(2 * n * d / delta) / low**2
    return EncoderConcentration(bernstein, 32 * d * top * log(n * d / delta) / low)


def decoder_width(data, delta):
    r"""Width at which :math:`\lambda_{\min}(H(0)) \ge 3\lambda_T/4`, all that training the decoder alone needs.

    Activations :math:`\phi(X^T w)` are a :math:`\sqrt{\lambda_n}`-Lipschitz function of w with mean norm at most
    :math:`\sqrt{n/2}`. Those longer than B are left out, which lowers H and takes at most :math:`\lambda_T/8` off its
    mean when B is :math:`\sqrt{n/2} + s` with :math:`e^{-s^2/2\lambda_n}(B^2 + 2\lambda_n + \sqrt{2n}\lambda_n/s) =
    \lambda_T/8`. For the others matrix Chernoff gives :math:`m \ge 112 B^2 \log(n/\delta)/\lambda_T`: linear in n up
    to logarithms, and replaces Lemma 5.1.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float

    Returns
    -------
    float
        Infinite when T is singular.
    """
    n, top, low, delta = data.n, data.lambda_n, data.lambda_T, _probability(delta)
    if low <= 0:
        return inf

    def excess(s):
        left_out = (sqrt(n / 2) + s) ** 2 + 2 * top + sqrt(2 * n) * top / s
        return log(left_out) - s**2 / (2 * top) - log(low / 8)

    s = brentq(excess, 1e-3 * sqrt(top), 100 * sqrt(top * log(10 * n / low)))
    return 112 * (sqrt(n / 2) + s) ** 2 * log(n / delta) / low


# Theorems -------------------------------------------------------------------------------------------------------------


def encoder_width_printed(data, delta, *, flow=False):
    r"""Width that the proof of Theorem 4.2 asks for (or of Theorem 4.1, for gradient flow).

    Its leading part is :math:`2048\,n^5 d^4 \lambda_n/\lambda_0^4\delta^3`, for the flow with 512. It is right, as each
    of the events fails with probability :math:`\delta` at most.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float
    flow : bool

    Returns
    -------
    float
    """
    n, d, top, low = data.n, data.d, data.lambda_n, data.lambda_0
    delta = _probability(delta)
    radius = low * delta / (8 * n**2 * d) if flow else min(low * delta / (8 * n**2 * d), low / (64 * n * d))
    movement = (2 if flow else 4) * d * sqrt(top * 2 * n / delta) / low
    return max((movement / radius) ** 2, encoder_concentration(data, delta).bernstein)


def joint_width_printed(data, delta, *, low=None):
    r"""Smallest width that meets the paper's own conditions in the proof of Theorem 5.2, which is not a proof.

    The radii solve :math:`R = 4\sqrt{d\lambda_n}(\|A(0)\| + R)\|E(0)\|/\sqrt m\lambda_0`, and Lemma 5.2 asks for
    :math:`(\lambda_n/m)(2\|W(0)\| + R)R \le \lambda_0/4`, with norms :math:`2\sqrt m + \sqrt d` and
    :math:`\|E(0)\|^2 = 2n/\delta`. The leading part is :math:`2^{15} n d\lambda_n^3/\lambda_0^4\delta`.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float
    low : float, optional
        Eigenvalue to use; the printed :math:`\lambda_0` if not given.

    Returns
    -------
    float
    """
    d, top = data.d, data.lambda_n
    low = check_number("low", data.lambda_0 if low is None else low, 0, open_low=True)
    error = sqrt(2 * data.n / _probability(delta))

    def met(m):
        share, size = 4 * sqrt(d * top) * error / (sqrt(m) * low), 2 * sqrt(m) + sqrt(d)
        radius = share * size / (1 - share) if share < 1 else inf
        return top / m * (2 * size + radius) * radius <= low / 4

    return _smallest(met)


def joint_width(data, delta):
    r"""Width at which joint gradient flow converges at the rate :math:`\lambda_T`, in place of Theorem 5.1.

    It is the larger of `decoder_width` and :math:`12(\sqrt 3 + \sqrt 2)^2\, n d\lambda_n/\lambda_T^2\delta`, from the
    stability of H (`ntk_repairs.decoder_stability`) and the length of the path (`joint_training.path_bound`), with
    :math:`\|E(0)\|^2 \le 3n/2\delta`; each of the two can fail with probability :math:`\delta`.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float

    Returns
    -------
    float
        Infinite when T is singular.
    """
    if data.lambda_T <= 0:
        return inf
    start = decoder_width(data, delta)
    path = 12 * (sqrt(3) + sqrt(2)) ** 2 * data.n * data.d * data.lambda_n / (data.lambda_T**2 * delta)
    return max(path, start)


def repaired_width(data, delta, *, mode=FLOW):
    r"""Width at which encoder-only and joint training converge at the rate :math:`\lambda_0`.

    With probability :math:`1 - \delta`, a quarter of which goes to each of: :math:`\|E(0)\|^2 \le 6n/\delta`;
    :math:`\lambda_{\min}(G(0)) \ge 3\lambda_0/4`; at most :math:`2\sqrt{2/\pi}\tau m` units with
    :math:`|w_r \cdot x_i| \le \tau` for each sample; and :math:`\|A_F\|^2 \le 8[(d + k)\log 9 + k\log(em/k) +
    \log(8/\delta)]` for all sets F of k units, by nets. On a path of length R at most :math:`k = 3\sqrt{2/\pi}\tau m`
    units flip on a sample, :math:`\tau^3 = \sqrt{\pi/2}R^2/m`, and `ntk_repairs.encoder_stability` closes the argument.
    The order is :math:`n d\lambda_n^3 \log^3(e\lambda_n/\lambda_0)/\lambda_0^4\delta`; the constant is large.

    Parameters
    ----------
    data : ntk_limits.Spectrum
    delta : float
    mode : tuple of float
        `FLOW`, or `DESCENT` for gradient descent with steps as in `joint_induction.descent_bound`.

    Returns
    -------
    float
        Infinite when S is singular.
    """
    n, d, top, low = data.n, data.d, data.lambda_n, data.lambda_0
    delta, (length, slack) = _probability(delta), mode
    if low <= 0:
        return inf
    squared_path = length * d / low * 6 * n / delta

    def met(m):
        tau = (sqrt(pi / 2) * squared_path / m) ** (1 / 3)
        near = sqrt(2 / pi) * tau * m
        k = 3 * near
        if k >= m or n * exp(-near / 3) > delta / 4:
            return False
        flipped = 8 * ((d + k) * log(9) + k * log(e * m / k) + log(8 / delta)) / m
        return sqrt(top * flipped) + sqrt(top / m * squared_path) <= slack * sqrt(low)

    return max(_smallest(met), encoder_concentration(data, delta / 4).chernoff)


def _probability(delta):
    return check_number("delta", delta, 0, 1, open_low=True)


def _smallest(met):
    """Smallest width that meets a condition, which wider networks meet too, to nine digits."""
    low, high = 0.0, 1.0
    while not met(exp(high)):
        low, high = high, 2 * high
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if met(exp(middle)) else (middle, high)
    return exp(high)
