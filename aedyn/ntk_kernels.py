r"""Tangent kernels of the two-layer autoencoder at finite width.

The network is ``U = relu(X @ W) @ A.T / sqrt(m d)`` with samples as rows of X, shape (n, d), and one column of W and A,
shape (d, m), for each of m units. Under gradient flow of the squared error,
:math:`\dot U = \frac1d K\,(X - U)` on the entries of U row by row, with

.. math:: G = \frac1m \sum_r (X D_r X^T) \circ (s_r s_r^T) \otimes a_r a_r^T, \qquad
          H = \frac1m \phi(XW)\phi(XW)^T \otimes I_d,

where :math:`s_{ir} = 1[w_r \cdot x_i \ge 0]`: K = G when only the encoder is trained, H when only the decoder is, and
G + H when both are (section 3.2 of the paper on joint training). For random weights the means of G and H are
:math:`S \otimes I` and :math:`T \otimes I` of `ntk_limits`.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg

from aedyn._checks import check_matrix
from aedyn._parallel import map_in_threads
from aedyn.ntk_limits import limit_kernels

_BLOCK = 2048  # units at a time, a multiple of 8


# Kernels --------------------------------------------------------------------------------------------------------------


def encoder_kernel(W, A, X):
    """The kernel G of (5.9), formed.

    When the entries of A are 1 and -1, its sums over units are counted exactly, 64 units at a time.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    ndarray, shape (n d, n d)
        Index i d + a belongs to output a of sample i.
    """
    W, A, X = _network(W, A, X)
    (n, d), m = X.shape, W.shape[1]
    i, j = np.triu_indices(n)
    a, b = np.triu_indices(d)
    active = X @ W >= 0
    if (np.abs(A) == 1).all():
        sums = _sum_exactly(active, A, i, j, a, b)
    else:
        sums = _sum(active, A, i, j, a, b)
    sums *= (X @ X.T / m)[i, j, None]
    pairs, outputs = _where(i, j, n), _where(a, b, d)
    G = np.empty((n, d, n, d))
    for row in range(n):
        G[row] = sums[pairs[row]][:, outputs].swapaxes(0, 1)
    return G.reshape(n * d, n * d)


def decoder_kernel(W, X):
    """The kernel H of (5.10), without the identity of the output space.

    Parameters
    ----------
    W : array_like, shape (d, m)
    X : array_like, shape (n, d)

    Returns
    -------
    ndarray, shape (n, n)
        H is its Kronecker product with the identity of size d.
    """
    X = check_matrix("X", X).astype(float, copy=False)
    W = check_matrix("W", W, X.shape[1]).astype(float, copy=False)

    def part(units):
        activity = np.maximum(X @ W[:, units], 0)
        return activity @ activity.T

    return sum(map_in_threads(part, _blocks(W.shape[1]))) / W.shape[1]


def flipped_share(A, flipped):
    r"""Largest share that the units which flip on one sample have in A: :math:`\max_i \|A_{F_i}\|^2/m`.

    With the norm of the samples it bounds what G loses to the units whose sides change.

    Parameters
    ----------
    A : array_like, shape (d, m)
    flipped : array_like of bool, shape (n, m)
        Row i tells which units are in :math:`F_i`.

    Returns
    -------
    float
    """
    A = check_matrix("A", A)
    squares = (float(np.linalg.norm(A[:, flip], 2)) ** 2 for flip in np.asarray(flipped, dtype=bool) if flip.any())
    return max(squares, default=0.0) / A.shape[1]


class KernelOperator(LinearOperator):
    """The kernel G or G + H at finite width, multiplied but never formed.

    A product costs about 8 n m d flops. Beside A, shape (d, m), a bit is kept for each sample and unit.

    Parameters
    ----------
    W, A : array_like, shape (d, m)
    X : array_like, shape (n, d)
    regime : {"encoder", "joint"}
        What is trained: G or G + H.

    Attributes
    ----------
    X : ndarray, shape (n, d)
    regime : str
    n_products : int
        How often the kernel was multiplied.
    """

    def __init__(self, W, A, X, regime="joint"):
        if regime not in ("encoder", "joint"):
            raise ValueError(f"regime must be 'encoder' or 'joint'; got {regime!r}")
        W, self._A, self.X = _network(W, A, X)
        self.regime, self.n_products = regime, 0
        blocks = _blocks(W.shape[1])
        self._bits = map_in_threads(lambda units: np.packbits(self.X @ W[:, units] >= 0, axis=1), blocks)
        self._blocks = list(zip(blocks, self._bits, strict=True))
        self._decoder = decoder_kernel(W, self.X) if regime == "joint" else np.zeros((len(self.X), len(self.X)))
        super().__init__(np.dtype(float), (self.X.size, self.X.size))

    def _matvec(self, v):
        self.n_products += 1
        V = v.reshape(self.X.shape)
        encoder = sum(map_in_threads(lambda block: self._multiply(V, *block), self._blocks))
        return (encoder / self._A.shape[1] + self._decoder @ V).ravel()

    def _adjoint(self):
        return self

    def _multiply(self, V, units, bits):
        """Product of m G and V, from some units."""
        A = self._A[:, units]
        active = np.unpackbits(bits, axis=1, count=A.shape[1])
        product = V @ A
        product *= active
        product = self.X @ (self.X.T @ product)
        product *= active
        return product @ A.T


# Extreme eigenvalues --------------------------------------------------------------------------------------------------


class Eigenvalue(NamedTuple):
    """An eigenvalue at the end of a spectrum.

    Attributes
    ----------
    value : float
        Rayleigh quotient of the vector found: never below the smallest and never above the largest eigenvalue.
    residual : float
        Norm of (K - value) times that unit vector: some eigenvalue is within this distance of `value`.
    n_products : int
        How often the kernel was multiplied; 0 when it was decomposed.
    """

    value: float
    residual: float
    n_products: int


def smallest_eigenvalue(kernel, *, tolerance=1e-6, max_products=1000, rng=0):
    r"""Smallest eigenvalue of a kernel, formed or not.

    A kernel that is not formed is close to :math:`S \otimes I`, or to :math:`(S + T) \otimes I`. The inverse of that
    preconditions LOBPCG (Knyazev 2001), which leaves a condition number near 1 at large width. The error of the value
    is of the order of the residual squared over the gap to the next eigenvalue.

    Parameters
    ----------
    kernel : ndarray, shape (N, N), or KernelOperator
        The samples of an operator must have norm 1.
    tolerance : float
        Residual that is small enough. Ignored for an array.
    max_products : int
        A warning tells when these did not suffice.
    rng : int or numpy.random.Generator
        The start is random.

    Returns
    -------
    Eigenvalue
    """
    if isinstance(kernel, np.ndarray):
        return _decompose(kernel, 0)
    before, shape = kernel.n_products, kernel.X.shape
    limits = limit_kernels(kernel.X)
    values, vectors = np.linalg.eigh(limits.encoder if kernel.regime == "encoder" else limits.joint)
    inverse = vectors / np.maximum(values, 1e-6 * values[-1]) @ vectors.T

    def precondition(v):
        return (inverse @ v.reshape(shape)).ravel()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the residual is looked at below
        _, vector = lobpcg(
            kernel,
            precondition(np.random.default_rng(rng).standard_normal(shape)).reshape(-1, 1),
            M=LinearOperator(kernel.shape, precondition, dtype=float),
            tol=tolerance,
            maxiter=max_products,
            largest=False,
        )
    found = _rayleigh(kernel, vector.ravel(), before)
    if found.residual > tolerance:
        warnings.warn(f"the residual is {found.residual:.2g}, above {tolerance:g}", RuntimeWarning, stacklevel=2)
    return found


def largest_eigenvalue(kernel, *, tolerance=1e-6, rng=0):
    """Largest eigenvalue of a kernel, formed or not, by Lanczos.

    Parameters
    ----------
    kernel : ndarray, shape (N, N), or KernelOperator
    tolerance : float
        On the residual, relative to the value. Ignored for an array.
    rng : int or numpy.random.Generator
        The start is random.

    Returns
    -------
    Eigenvalue
    """
    if isinstance(kernel, np.ndarray):
        return _decompose(kernel, len(kernel) - 1)
    before = kernel.n_products
    start = np.random.default_rng(rng).standard_normal(kernel.shape[0])
    vector = eigsh(kernel, 1, which="LA", v0=start, tol=tolerance)[1]
    return _rayleigh(kernel, vector.ravel(), before)


def _decompose(kernel, index):
    vector = eigh(kernel, subset_by_index=[index, index])[1].ravel()
    value = vector @ kernel @ vector
    return Eigenvalue(float(value), float(np.linalg.norm(kernel @ vector - value * vector)), 0)


def _rayleigh(kernel, vector, before):
    vector = vector / np.linalg.norm(vector)
    product = kernel @ vector
    value = vector @ product
    return Eigenvalue(float(value), float(np.linalg.norm(product - value * vector)), kernel.n_products - before)


# Arrays ---------------------------------------------------------------------------------------------------------------


def _network(W, A, X):
    X = check_matrix("X", X).astype(float, copy=False)
    W = check_matrix("W", W, X.shape[1]).astype(float, copy=False)
    return W, check_matrix("A", A, *W.shape).astype(float, copy=False), X


def _blocks(m):
    return [slice(start, min(start + _BLOCK, m)) for start in range(0, m, _BLOCK)]


def _pieces(n_pairs):
    return [slice(start, start + 256) for start in range(0, n_pairs, 256)]


def _where(i, j, n):
    """Position of each unordered pair in the list of pairs."""
    position = np.empty((n, n), dtype=np.intp)
    position[i, j] = position[j, i] = np.arange(len(i))
    return position


def _words(bits):
    """Rows of bits in words of 64, the last one filled with zeros."""
    packed = np.packbits(bits, axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _sum_exactly(active, A, i, j, a, b):
    """Sums over units of s_i s_j a_a a_b for signs A: units active for both samples, less twice those that differ."""
    active, positive = _words(active), _words(A > 0)
    masks = np.vstack([~np.zeros_like(active[:1]), positive[a] ^ positive[b]])

    def part(pairs):
        counts = np.empty((len(i[pairs]), len(masks)))
        _count(active, i[pairs], j[pairs], masks, counts)
        return counts[:, :1] - 2 * counts[:, 1:]

    return np.concatenate(map_in_threads(part, _pieces(len(i))))


def _sum(active, A, i, j, a, b):
    """Sums over units of s_i s_j a_a a_b, for some pairs of samples at a time."""

    def part(pairs):
        sums = np.zeros((len(i[pairs]), len(a)))
        for units in _blocks(A.shape[1]):
            s = active[:, units]
            sums += (s[i[pairs]] & s[j[pairs]]).astype(float) @ (A[a, units] * A[b, units]).T
        return sums

    return np.concatenate(map_in_threads(part, _pieces(len(i))))


@njit(cache=True, nogil=True)
def _count(active, i, j, masks, counts):
    """Write how many bits rows i and j of `active` and a row of `masks` have in common into counts."""
    for p in range(len(i)):
        first, second = active[i[p]], active[j[p]]
        for q in range(len(masks)):
            count = 0
            for k in range(len(first)):
                word = first[k] & second[k] & masks[q, k]
                while word:  # compilers turn this loop into one instruction
                    word &= word - np.uint64(1)
                    count += 1
            counts[p, q] = count
