r"""How an autoencoder for handwritten digits is made: start, network, training.

Section 4.2 of the group-sparse paper gives the number and size of groups (10 of 16 atoms), the number of iterations
(15), the penalty (0.2), and Adam's rate (1e-3) and number of epochs (300). It leaves open where training starts,
whether the mean image is removed, whether the penalty is multiplied by the step, and whether codes may be negative: a
`Recipe` says all of it. No start looks at a label.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from aedyn import digit_training
from aedyn._checks import check_count, check_matrix, check_number
from aedyn._parallel import map_in_threads
from aedyn.dictionaries import make_groups, normalize, random_dictionary
from aedyn.digit_graph import communities, neighbour_graph
from aedyn.unfolded import Unfolded, encode

STARTS = ("random", "images", "kmeans", "communities", "community images")
PENALTIES = ("group", "entry")


@dataclass(frozen=True)
class Recipe:
    """An autoencoder and its training, up to the draws.

    Parameters
    ----------
    start : {"communities", "random", "images", "kmeans", "community images"}
        Where the atoms start: see `start_atoms`.
    centred : bool
        Whether the mean training image is taken off all images.
    penalty : {"group", "entry"}
        Whether groups are shortened, or single entries (the sparse network).
    lam : float
        Penalty.
    scaled : bool
        Whether the threshold is the penalty times the step, as proximal gradient descent has it, or the penalty itself.
    nonnegative : bool
        Whether codes must not be negative.
    raised : bool
        Whether the penalty grows to `lam` in equal parts over the epochs, of which each then starts with a new Adam.
    n_groups, group_size : int
        Number of groups, and of the atoms in each.
    n_epochs : int
        0 leaves the start as it is.
    """

    start: str = "communities"
    centred: bool = True
    penalty: str = "group"
    lam: float = 3.0
    scaled: bool = True
    nonnegative: bool = True
    raised: bool = False
    n_groups: int = 10
    group_size: int = 16
    n_epochs: int = 2

    def __post_init__(self):
        for name, allowed in (("start", STARTS), ("penalty", PENALTIES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        check_number("lam", self.lam, 0)
        for name, low in (("n_groups", 1), ("group_size", 1), ("n_epochs", 0)):
            check_count(name, getattr(self, name), low)

    @property
    def groups(self):
        """Groups of consecutive atoms, `n_groups` of them."""
        return make_groups(self.n_groups * self.group_size, group_size=self.group_size)

    @property
    def network(self):
        """The encoder, an `Unfolded`."""
        options = {"nonnegative": self.nonnegative, "scaled": self.scaled}
        if self.penalty == "entry":
            return Unfolded(entry_lam=self.lam, **options)
        return Unfolded(group_lam=self.lam, groups=self.groups, **options)


@dataclass(frozen=True, eq=False)
class Fitted:
    """An autoencoder that was trained.

    Attributes
    ----------
    recipe : Recipe
    mean : ndarray, shape (n,)
        What is taken off an image before it is encoded: the mean image, or zeros.
    start, weights : ndarray, shape (n, m)
        Atoms at the start and at the end, of norm 1.
    losses : ndarray, shape (n_epochs,)
        As in `digit_training.Training`.
    """

    recipe: Recipe
    mean: np.ndarray
    start: np.ndarray
    weights: np.ndarray
    losses: np.ndarray

    def encode(self, Y):
        """Codes of images.

        Parameters
        ----------
        Y : array_like, shape (n_samples, n)

        Returns
        -------
        ndarray, shape (n_samples, m)
        """
        return encode(self.weights, check_matrix("Y", Y) - self.mean, self.recipe.network)


def image_groups(recipe, Y, seed, graph=None):
    """Partition of the images that a start takes its atoms from, without labels.

    Parameters
    ----------
    recipe : Recipe
        With start "kmeans", "communities" or "community images".
    Y : array_like, shape (n_samples, n)
        Images.
    seed : int
    graph : scipy.sparse.csr_array, optional
        Of `digit_graph.neighbour_graph`, where it is there already.

    Returns
    -------
    ndarray of int, shape (n_samples,)
    """
    if recipe.start == "kmeans":
        return k_means(check_matrix("Y", Y), recipe.n_groups, n_starts=1, seed=seed).labels_
    if recipe.start in ("random", "images"):
        raise ValueError(f"a start of {recipe.start} atoms has no groups of images")
    return communities(neighbour_graph(Y) if graph is None else graph, seed, recipe.n_groups)


def start_atoms(recipe, Y, seed, labels=None):
    """Atoms at the start.

    They are random directions, or ``"images"`` drawn without replacement; or for each group the centres that k-means
    finds in one cluster of the images. These clusters are those of ``"kmeans"``, or ``"communities"`` of the graph of
    nearest neighbours; ``"community images"`` are images drawn from each community, instead of centres.

    Parameters
    ----------
    recipe : Recipe
    Y : array_like, shape (n_samples, n)
        Images from which `Fitted.mean` is taken off.
    seed : int
    labels : ndarray of int, shape (n_samples,), optional
        Of `image_groups`; needed for the starts that have them.

    Returns
    -------
    ndarray, shape (n, m)
        Of norm 1, group after group.

    Raises
    ------
    ValueError
        When a group of images has fewer than `group_size` of them.
    """
    Y, size = check_matrix("Y", Y), recipe.group_size
    m, rng = recipe.n_groups * size, np.random.default_rng([seed, 1])
    if recipe.start == "random":
        return random_dictionary(Y.shape[1], m, rng).astype(Y.dtype)
    if recipe.start == "images":
        return normalize(rng.choice(Y, m, replace=False).T)
    if labels is None:
        raise ValueError(f"a start of {recipe.start} needs labels, those of image_groups; got None")
    counts = np.bincount(labels, minlength=recipe.n_groups)
    if counts.min() < size:
        raise ValueError(f"each group of images must have at least {size}; got one of {counts.min()}")
    members = [Y[labels == g] for g in range(recipe.n_groups)]
    if recipe.start == "community images":
        atoms = [rng.choice(images, size, replace=False) for images in members]
    else:
        atoms = map_in_threads(lambda images: k_means(images, size, n_starts=1, seed=seed).cluster_centers_, members)
    return normalize(np.concatenate(atoms).T)


def fit(recipe, Y, seed, *, start=None, checkpoint=None, progress=False):
    """Train an autoencoder on images.

    Parameters
    ----------
    recipe : Recipe
    Y : array_like, shape (n_samples, n)
        Images.
    seed : int
        Of the start and of the order of the images.
    start : array_like, shape (n, m), optional
        Atoms to start from, where they are there already.
    checkpoint : path-like, optional
        As for `digit_training.train`; not for a penalty that is raised.
    progress : bool
        Whether to show a progress bar of the epochs.

    Returns
    -------
    Fitted

    Raises
    ------
    FloatingPointError
        When the training diverged.
    """
    Y = check_matrix("Y", Y)
    mean = Y.mean(axis=0) if recipe.centred else np.zeros_like(Y[0])
    centred = Y - mean
    if start is None:
        labels = None if recipe.start in ("random", "images") else image_groups(recipe, Y, seed)
        start = start_atoms(recipe, centred, seed, labels)
    weights, losses = start, []
    for stage, (network, n_epochs) in enumerate(_stages(recipe)):
        training = digit_training.train(
            weights, centred, network, seed=seed + 1000 * stage, n_epochs=n_epochs, checkpoint=checkpoint,
            progress=progress,
        )  # fmt: skip
        if training.status == "diverged":
            raise FloatingPointError(f"the training of {recipe} diverged after {len(training.losses)} epochs")
        weights = training.weights
        losses.extend(training.losses)
    return Fitted(recipe, mean, start, weights, np.array(losses))


def _stages(recipe):
    """Networks, and for how many epochs each is trained."""
    if recipe.raised:
        shares = np.arange(1, recipe.n_epochs + 1) / recipe.n_epochs
        return [(replace(recipe, lam=recipe.lam * share).network, 1) for share in shares]
    return [(recipe.network, recipe.n_epochs)] if recipe.n_epochs else []


def k_means(Y, n_clusters, *, n_starts, seed):
    """scikit-learn's k-means from several starts of k-means++, on one thread.

    Parameters
    ----------
    Y : ndarray, shape (n_samples, n)
    n_clusters, n_starts, seed : int

    Returns
    -------
    sklearn.cluster.KMeans
        Fitted; the start with the lowest inertia.
    """
    with threadpool_limits(1, user_api="openmp"):  # the number of threads would change the rounding
        return KMeans(n_clusters, n_init=n_starts, random_state=seed).fit(Y)
