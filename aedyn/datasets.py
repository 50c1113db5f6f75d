"""Handwritten digits: MNIST from a folder, a cache or OpenML, and the small digits that come with scikit-learn.

MNIST comes from the first of these that applies: the folder ``mnist`` below ``AEDYN_DATA`` when that variable is set;
the user's cache; OpenML (https://www.openml.org/d/554), which fills the cache once. Folder and cache hold the four
original gzip-compressed IDX files, and every file read or stored is compared with the checksum of the original.
"""

import gzip
import hashlib
import math
import os
import struct
import sys
import warnings
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from platformdirs import user_cache_dir

# Dimensions, and SHA-256 of the uncompressed IDX file
_FILES = {
    "train-images-idx3-ubyte.gz": ((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte.gz": ((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte.gz": ((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte.gz": ((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
_PARTS = {
    "train": ("MNIST, training images", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("MNIST, test images", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


class DatasetError(OSError):
    """A data set is missing, damaged or not what it should be."""


class DatasetUnavailable(DatasetError):
    """A data set is not on this machine and cannot be fetched."""


@dataclass(frozen=True, eq=False)
class Images:
    """Square grey images with labels.

    Attributes
    ----------
    name : str
        What the images are, for captions.
    pixels : ndarray of float64, shape (N, n)
        One image per row, row by row of the image, C-contiguous, from 0 (background) to 1 (ink).
    labels : ndarray of int64, shape (N,)
        The digit that each image shows.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray

    @property
    def side(self):
        """Height and width of an image in pixels."""
        return math.isqrt(self.pixels.shape[1])


def load_mnist(part="train"):
    """The MNIST database of handwritten digits (LeCun, Cortes and Burges), 28 x 28 pixels.

    Parameters
    ----------
    part : {"train", "test"}
        The 60,000 training images or the 10,000 test images, in the original order.

    Returns
    -------
    Images
        With n = 784, grey values divided by 255.

    Raises
    ------
    ValueError
        When there is no such part.
    DatasetError
        When a file is truncated, corrupt or not the original (it is removed if it is in the cache, and left alone in
        ``AEDYN_DATA``), when ``AEDYN_DATA`` is set but lacks the file, or when the download is not the original.
    DatasetUnavailable
        When ``AEDYN_DATA`` is not set, the cache lacks the file, and it cannot be downloaded and stored.
    """
    if part not in _PARTS:
        raise ValueError(f"part must be 'train' or 'test'; got {part!r}")
    name, *files = _PARTS[part]
    own = os.environ.get("AEDYN_DATA")
    folder = Path(own or user_cache_dir("aedyn")).resolve() / "mnist"
    missing = [file for file in files if not (folder / file).exists()]
    if own and missing:
        what = f"lacks {' and '.join(missing)}" if folder.is_dir() else "is not a folder"
        raise DatasetError(f"AEDYN_DATA is set, but {folder} {what}; put the MNIST files there or unset AEDYN_DATA")
    if missing:
        _download(folder)
    images, labels = (_read(folder / file, keep=bool(own)) for file in files)
    return Images(name, images.reshape(len(images), -1) / 255.0, labels.astype(np.int64))


def load_digits():
    """The digits that come with scikit-learn (Alpaydin and Kaynak, UCI test set), 8 x 8 pixels.

    Returns
    -------
    Images
        With N = 1797 and n = 64, grey values divided by 16.
    """
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    return Images("scikit-learn digits", np.ascontiguousarray(pixels / 16.0), labels.astype(np.int64))


def load_handwritten():
    """MNIST's training images where they can be had, and scikit-learn's digits otherwise.

    Returns
    -------
    Images
        Its `name` tells which; a line on stderr tells why it is not MNIST.

    Raises
    ------
    DatasetError
        As `load_mnist`, except that MNIST may be unavailable.
    """
    try:
        return load_mnist()
    except DatasetUnavailable as error:
        print(f"{error}. Using scikit-learn's digits instead.", file=sys.stderr)
        return load_digits()


def _read(path, keep):
    try:
        raw = gzip.decompress(path.read_bytes())
        _check(raw, path.name)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        if not keep:
            path.unlink()
        remedy = "replace it" if keep else "it has been removed, so load again to download it anew"
        raise DatasetError(f"{path} is not the original file: {error}; {remedy}") from error
    shape = _FILES[path.name][0]
    return np.frombuffer(raw, np.uint8, offset=len(_header(shape))).reshape(shape)


def _header(shape):
    return struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)


def _check(raw, file):
    shape, sha256 = _FILES[file]
    header, digest = _header(shape), hashlib.sha256(raw).hexdigest()
    dimensions = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, len(header), 4))
    if raw[:4] != header[:4]:
        raise ValueError(f"expected the IDX magic number {header[:4].hex()}, got {raw[:4].hex() or 'no bytes'}")
    if dimensions != shape:
        raise ValueError(f"expected {' x '.join(map(str, shape))} values, got {' x '.join(map(str, dimensions))}")
    if digest != sha256:
        size = len(header) + math.prod(shape)
        raise ValueError(f"expected {size} bytes with SHA-256 {sha256}, got {len(raw)} bytes with SHA-256 {digest}")


def _download(folder):
    from sklearn.datasets import fetch_openml

    print(f"Downloading MNIST from OpenML into {folder}; this takes a minute or two, once.", file=sys.stderr)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="download-", dir=folder) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns at each retry
            options = {"as_frame": False, "return_X_y": True, "parser": "liac-arff", "n_retries": 1}
            pixels, labels = fetch_openml("mnist_784", version=1, data_home=temporary, **options)
            pixels, labels = pixels.astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.uint8)
            n_train = _FILES["train-labels-idx1-ubyte.gz"][0][0]
            arrays = pixels[:n_train], labels[:n_train], pixels[n_train:], labels[n_train:]
            for file, array in zip(_FILES, arrays, strict=True):
                raw = _header(array.shape) + array.tobytes()
                _check(raw, file)
                Path(temporary, file).write_bytes(gzip.compress(raw, mtime=0))
            for file in _FILES:
                os.replace(Path(temporary, file), folder / file)
    except Exception as error:
        unavailable = isinstance(error, (OSError, HTTPException)) and not isinstance(error, gzip.BadGzipFile)
        raise (DatasetUnavailable if unavailable else DatasetError)(
            f"MNIST could not be downloaded from OpenML ({error}), so nothing was stored; try again later, or "
            "set AEDYN_DATA to a folder that holds the original files in mnist"
        ) from error
