"""Autoencoders of handwritten digits, trained and measured in many ways, and the stored results of that.

A case takes a minute or more, and one of them hours. So results are stored: `stored` finds them by their inputs, and
``python -m aedyn.digit_study`` makes those of `cases` that are not there yet. How the recipe was chosen that the test
images were then shown is in `digit_choice`.
"""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from functools import cache, lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
from platformdirs import user_cache_path
from tqdm import tqdm

from aedyn import datasets
from aedyn.digit_choice import AGREED, BY_MODULARITY, BY_START, CHOSEN, FINALISTS, candidates
from aedyn.digit_clusters import (
    CELLS,
    activity,
    agreement,
    clusters,
    clusters_of_codes,
    confusion,
    matched_accuracy,
    mutual_information,
)
from aedyn.digit_graph import modularity, neighbour_graph, vote
from aedyn.digit_recipe import Recipe, fit, image_groups, start_atoms
from aedyn.stored_results import FOLDER, StoredResults

DEVELOPMENT = {"mnist": 50_000, "digits": 1_300}  # training images that are not held out
PIXELS = None  # in place of a recipe


class Split(NamedTuple):
    """Images for training, and images that are measured.

    Attributes
    ----------
    Y : ndarray of float32, shape (n_samples, n)
    measured : ndarray of float32, shape (n_measured, n)
    digits : ndarray of int64, shape (n_measured,)
        What the measured images show.
    """

    Y: np.ndarray
    measured: np.ndarray
    digits: np.ndarray


@dataclass(frozen=True)
class Case:
    """What a stored result is of.

    Parameters
    ----------
    recipe : Recipe or None
        None for the pixels.
    part : {"held out", "test", "seen"}
        What is measured: the held-out training images, of an autoencoder trained on the others; the test images, of
        one trained on all training images; or of that one the same images that are held out otherwise.
    seed : int
        Of the whole pipeline.
    data : {"mnist", "digits"}
        MNIST, or scikit-learn's digits, which have no test images.
    """

    recipe: Recipe | None
    part: str = "held out"
    seed: int = 0
    data: str = "mnist"


@dataclass(frozen=True)
class Result:
    """What is measured.

    Attributes
    ----------
    accuracy, information : dict
        `digit_clusters.matched_accuracy` and `mutual_information` by the name of the partition: those of
        `clusters_of_codes`, and "vote", where the start has groups of images: the groups of the nearest images.
    agreement : float
        Of the partitions of the codes; the vote is not among them.
    empty, active_groups, top : float
        `digit_clusters.activity` of the codes.
    loss : float
        Mean of half the squared reconstruction error.
    steepness : float
        Squared largest singular value of the weights: one over the step.
    modularity : float
        Of the most active groups, on the graph of nearest neighbours of the measured images (`digit_graph`).
    confusion : list of list of int
        `digit_clusters.confusion` of the most active groups with the digits.
    """

    accuracy: dict
    information: dict
    agreement: float = 0.0
    empty: float = 0.0
    active_groups: float = 0.0
    top: float = 0.0
    loss: float = 0.0
    steepness: float = 0.0
    modularity: float = 0.0
    confusion: list = field(default_factory=list)

    @property
    def mean_accuracy(self):
        """Mean over the cells of Table 1, for a result of codes."""
        return float(np.mean([self.accuracy[cell] for cell in CELLS]))


# Run ------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def split(part="held out", data="mnist"):
    """Images of a case, in single precision.

    Parameters
    ----------
    part, data : str
        As for `Case`.

    Returns
    -------
    Split
    """
    if data == "digits":
        images = datasets.load_digits()
    else:
        images = datasets.load_mnist()
    pixels, n = images.pixels.astype(np.float32), DEVELOPMENT[data]
    if part == "test":
        test = datasets.load_mnist("test")
        return Split(pixels, test.pixels.astype(np.float32), test.labels)
    return Split(pixels if part == "seen" else pixels[:n], pixels[n:], images.labels[n:])


def run(case, *, checkpoint=None, progress=False):
    """Train, encode, cluster and compare with the digits.

    Parameters
    ----------
    case : Case
    checkpoint : path-like, optional
        Of the training; see `digit_training.train`.
    progress : bool
        Whether to show a progress bar of the epochs.

    Returns
    -------
    Result
    """
    Y, measured, digits = split(case.part, case.data)
    recipe, seed = case.recipe, case.seed
    if recipe is PIXELS:
        return Result(*_compare(clusters(measured, seed), digits))
    voted, start = _start(replace(recipe, **_AFTER_START), case.part, case.data, seed)
    fitted = fit(recipe, Y, seed, start=start, checkpoint=checkpoint, progress=progress)
    codes = fitted.encode(measured)
    partitions = clusters_of_codes(codes, seed, recipe.groups if recipe.penalty == "group" else None)
    accuracy, information = _compare(partitions | ({} if voted is None else {"vote": voted}), digits)
    grouped = "group" in partitions
    return Result(
        accuracy,
        information,
        agreement=agreement(partitions.values()),
        **activity(codes, recipe.groups)._asdict(),
        loss=float(np.square(measured - fitted.mean - codes @ fitted.weights.T).sum(axis=1).mean() / 2),
        steepness=float(np.linalg.norm(fitted.weights, 2) ** 2),
        modularity=modularity(_graph(case.part, case.data, True), partitions["group"]) if grouped else 0.0,
        confusion=confusion(partitions["group"], digits).tolist() if grouped else [],
    )


# What the start does not depend on
_AFTER_START = {"penalty": "group", "lam": 0.0, "scaled": True, "nonnegative": True, "raised": False, "n_epochs": 0}


@cache
def _graph(part, data, measured=False):
    """Of the images for training, or of those that are measured."""
    images = split(part, data)
    return neighbour_graph(images.measured if measured else images.Y)


@lru_cache(maxsize=16)
def _start(recipe, part, data, seed):
    """The groups of images of a start, as the nearest images vote on the measured ones, and its atoms."""
    Y, measured, _ = split(part, data)
    labels, voted = None, None
    if recipe.start not in ("random", "images"):
        labels = image_groups(recipe, Y, seed, None if recipe.start == "kmeans" else _graph(part, data))
        voted = vote(Y, labels, measured)
    images = Y - Y.mean(axis=0) if recipe.centred else Y
    return voted, start_atoms(recipe, images, seed, labels)


def _compare(partitions, digits):
    return [
        {name: judge(labels, digits) for name, labels in partitions.items()}
        for judge in (matched_accuracy, mutual_information)
    ]


# Cases ----------------------------------------------------------------------------------------------------------------

PRINTED = Recipe(start="random", centred=False, lam=0.2, nonnegative=False)
SPARSE = replace(PRINTED, penalty="entry", lam=0.03, n_epochs=10)
BASELINES = [
    replace(recipe, scaled=scaled) for recipe in (SPARSE, replace(PRINTED, n_epochs=10)) for scaled in (True, False)
]
UNTRAINED = replace(BY_MODULARITY, n_epochs=0)
SMALL = replace(CHOSEN, lam=0.5, group_size=4)  # for scikit-learn's digits
LONG = (1, 2, 4, 10, 20, 50, 100)
LAMS = (0.2, 1.0, 2.0, 3.0, 4.0, 6.0)
GROUP_NUMBERS = (5, 8, 10, 12, 15, 20)


def cases():
    """Cases whose results come with the package.

    Returns
    -------
    list of Case
    """
    choice = [Case(recipe) for recipe in candidates()]
    choice += [
        Case(recipe, seed=seed)
        for recipe in candidates()
        if replace(recipe, n_epochs=1) in FINALISTS
        for seed in (1, 2)
    ]
    table = [Case(BY_MODULARITY, "test", seed) for seed in range(5)]
    several = (CHOSEN, BY_START["communities"], AGREED, PIXELS, *BASELINES)
    table += [Case(recipe, "test", seed) for recipe in several for seed in range(3)]
    table.append(Case(UNTRAINED, "test"))
    long = [Case(replace(PRINTED, n_epochs=n_epochs), "seen") for n_epochs in LONG]
    around = [
        *(replace(BY_MODULARITY, lam=lam) for lam in LAMS),
        *(replace(BY_MODULARITY, n_groups=n_groups) for n_groups in GROUP_NUMBERS),
        *(replace(BY_MODULARITY, n_epochs=n_epochs) for n_epochs in (0, 10)),
        replace(BY_MODULARITY, start="images", n_epochs=10, raised=True),
    ]
    small = [Case(recipe, data="digits") for recipe in (PIXELS, SMALL, replace(SMALL, start="random"))]
    return list(dict.fromkeys([*choice, *table, *long, *map(Case, around), *small]))


# Stored results -------------------------------------------------------------------------------------------------------


def _case(recipe, **others):
    return Case(recipe and Recipe(**recipe), **others)


RESULTS = StoredResults(FOLDER / "digit_clusters.json", "case", _case, cases)


def stored(case):
    """Result that comes with the package, of a case with the same inputs.

    Parameters
    ----------
    case : Case

    Returns
    -------
    Result
        Numbers are rounded to six digits.

    Raises
    ------
    KeyError
        When there is none; the message says how to make it.
    """
    return Result(**RESULTS.find(case))


def stored_runs(recipe):
    """Results on the test images that come with the package, one for each seed.

    Parameters
    ----------
    recipe : Recipe or None

    Returns
    -------
    list of Result
    """
    return [stored(case) for case in cases() if case.recipe == recipe and case.part == "test"]


def stored_along(recipe, name, values, part="held out"):
    """Results that come with the package, of recipes that differ in one input.

    Parameters
    ----------
    recipe : Recipe
    name : str
        The input.
    values : sequence
        What it is in turn.
    part : str
        As for `Case`.

    Returns
    -------
    dict
        Results by the value of the input.
    """
    return {value: stored(Case(replace(recipe, **{name: value}), part)) for value in values}


def make_results():
    """Run the cases that are not stored yet, and store each as it ends.

    Cases that differ in the number of epochs only are one training, which goes on from the one to the next.
    """
    todo = sorted(RESULTS.missing(), key=_training)
    with tqdm(total=len(todo), desc="cases") as bar:
        for name, group in groupby(todo, key=_training):
            checkpoint = _checkpoint(name)
            for case in sorted(group, key=lambda case: case.recipe.n_epochs if case.recipe else 0):
                tqdm.write(str(case))
                resumable = checkpoint if case.recipe and not case.recipe.raised else None
                RESULTS.add(case, asdict(run(case, checkpoint=resumable, progress=True)))
                bar.update()
            checkpoint.unlink(missing_ok=True)


def _training(case):
    """Text that is the same for cases of one training."""
    return str(replace(case, recipe=replace(case.recipe, n_epochs=0)) if case.recipe else case)


def _checkpoint(name):
    folder = user_cache_path("aedyn", ensure_exists=True)
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"


if __name__ == "__main__":
    make_results()
