"""Digits: the real files where they are at hand, and every way in which files and downloads go wrong on tiny ones."""

import gzip
import hashlib
import os
import re
import struct
from http.client import IncompleteRead
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from aedyn import datasets
from aedyn.datasets import DatasetError, DatasetUnavailable, load_digits, load_handwritten, load_mnist

real_mnist = pytest.mark.skipif(
    not os.environ.get("AEDYN_DATA"), reason="AEDYN_DATA names no folder with the real MNIST"
)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = datasets._FILES


def idx(array, magic=None):
    """An IDX file as its description reads: magic number, dimensions, bytes."""
    magic = {1: 2049, 3: 2051}[array.ndim] if magic is None else magic
    return struct.pack(">i", magic) + b"".join(struct.pack(">i", d) for d in array.shape) + array.tobytes()


def fill(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in arrays.items():
        (folder / file).write_bytes(gzip.compress(idx(array)))
    return folder


def as_openml(arrays):
    """What scikit-learn's parser makes of them: floats in rows, and labels as strings."""
    pixels = np.concatenate([arrays[TRAIN_IMAGES], arrays[TEST_IMAGES]]).reshape(-1, 28 * 28)
    labels = np.concatenate([arrays[TRAIN_LABELS], arrays[TEST_LABELS]])
    return pixels.astype(float), labels.astype(str).astype(object)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A database of six training and four test images takes MNIST's place; `calls` counts its downloads."""
    rng = np.random.default_rng(5)
    arrays = {}
    for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 6), (TEST_IMAGES, TEST_LABELS, 4)):
        arrays[images] = rng.integers(256, size=(count, 28, 28), dtype=np.uint8)
        arrays[labels] = rng.integers(10, size=count, dtype=np.uint8)
    for file, array in arrays.items():
        monkeypatch.setitem(datasets._FILES, file, (array.shape, hashlib.sha256(idx(array)).hexdigest()))
    database = SimpleNamespace(arrays=arrays, openml=as_openml(arrays), calls=0, cache=tmp_path / "cache" / "mnist")

    def fetch_openml(name, *, version, **options):
        assert (name, version) == ("mnist_784", 1)
        database.calls += 1
        if isinstance(database.openml, BaseException):
            raise database.openml
        return database.openml

    monkeypatch.delenv("AEDYN_DATA", raising=False)
    monkeypatch.setattr(datasets, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    return database


@pytest.fixture
def own(tiny, monkeypatch, tmp_path):
    """The user's own folder, with the tiny database in it."""
    monkeypatch.setenv("AEDYN_DATA", str(tmp_path / "own"))
    return fill(tmp_path / "own" / "mnist", tiny.arrays)


def assert_is_tiny(images, arrays, images_file, labels_file):
    assert images.pixels.dtype == np.float64 and images.labels.dtype == np.int64
    np.testing.assert_array_equal(images.pixels * 255, arrays[images_file].reshape(-1, 784))
    np.testing.assert_array_equal(images.labels, arrays[labels_file])


def contents(folder):
    return {path.name for path in folder.iterdir()}


@real_mnist
@pytest.mark.parametrize(
    ("part", "name", "counts"),
    [
        ("train", "MNIST, training images", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", "MNIST, test images", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_real_mnist(part, name, counts):
    images = load_mnist(part)
    assert images.name == name
    assert images.side == 28
    assert images.pixels.shape == (sum(counts), 784)
    assert images.pixels.dtype == np.float64 and images.pixels.flags.c_contiguous
    assert images.pixels.min() == 0 and images.pixels.max() == 1
    assert images.labels.dtype == np.int64
    assert np.bincount(images.labels).tolist() == counts


@real_mnist
def test_handwritten_is_mnist_where_it_is_at_hand():
    images = load_handwritten()
    assert images.name == "MNIST, training images"
    assert images.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_digits():
    images = load_digits()
    assert images.name == "scikit-learn digits"
    assert images.side == 8
    assert images.pixels.shape == (1797, 64)
    assert images.pixels.dtype == np.float64 and images.pixels.flags.c_contiguous
    assert images.pixels.min() == 0 and images.pixels.max() == 1
    assert images.labels.dtype == np.int64
    assert np.bincount(images.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_part_must_be_known():
    with pytest.raises(ValueError, match="part must be 'train' or 'test'; got 'validation'"):
        load_mnist("validation")


def test_own_folder_is_read_without_download(tiny, own):
    assert_is_tiny(load_mnist(), tiny.arrays, TRAIN_IMAGES, TRAIN_LABELS)
    assert_is_tiny(load_mnist("test"), tiny.arrays, TEST_IMAGES, TEST_LABELS)
    assert load_mnist().side == 28
    assert tiny.calls == 0 and not tiny.cache.exists()


@pytest.mark.parametrize("load", [load_mnist, load_handwritten])
def test_missing_own_folder_is_reported(tiny, monkeypatch, tmp_path, load):
    monkeypatch.setenv("AEDYN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(
        DatasetError, match=r"AEDYN_DATA is set, but .*nowhere.mnist is not a folder; put the MNIST files"
    ):
        load()
    assert tiny.calls == 0


@pytest.mark.parametrize("load", [load_mnist, load_handwritten])
def test_missing_own_file_is_reported(tiny, own, load):
    (own / TRAIN_LABELS).unlink()
    with pytest.raises(DatasetError, match=f"AEDYN_DATA is set, but .*mnist lacks {TRAIN_LABELS}; put the MNIST files"):
        load()
    (own / TRAIN_IMAGES).unlink()
    with pytest.raises(DatasetError, match=f"lacks {TRAIN_IMAGES} and {TRAIN_LABELS};"):
        load()
    assert tiny.calls == 0


def truncated_gzip(array):
    return gzip.compress(idx(array))[:-20]


def corrupt_gzip(array):
    data = bytearray(gzip.compress(idx(array), compresslevel=0))
    data[-100] ^= 1
    return bytes(data)


def broken_deflate(array):
    return gzip.compress(idx(array))[:10] + b"\xff" * 50


def not_gzip(array):
    return b"<html>Sign in</html>"


def no_bytes(array):
    return gzip.compress(b"")


def labels_in_place_of_images(array):
    return gzip.compress(idx(array, magic=2049))


def wrong_dimensions(array):
    return gzip.compress(idx(array[:, :, :27]))


def short_header(array):
    return gzip.compress(idx(array)[:10])


def too_few_pixels(array):
    return gzip.compress(idx(array)[:-3])


def another_image(array):
    return gzip.compress(idx(255 - array))


BAD = [
    (truncated_gzip, "Compressed file ended before the end-of-stream marker"),
    (corrupt_gzip, "CRC check failed"),
    (broken_deflate, "while decompressing"),
    (not_gzip, "Not a gzipped file"),
    (no_bytes, "expected the IDX magic number 00000803, got no bytes"),
    (labels_in_place_of_images, "expected the IDX magic number 00000803, got 00000801"),
    (wrong_dimensions, "expected 6 x 28 x 28 values, got 6 x 28 x 27"),
    (short_header, "expected 6 x 28 x 28 values, got 6 x 0 x 0"),
    (too_few_pixels, "expected 4720 bytes with SHA-256 [0-9a-f]{64}, got 4717 bytes with SHA-256 [0-9a-f]{64}"),
    (another_image, "expected 4720 bytes with SHA-256 [0-9a-f]{64}, got 4720 bytes with SHA-256 [0-9a-f]{64}"),
]


@pytest.mark.parametrize("load", [load_mnist, load_handwritten])
@pytest.mark.parametrize(("spoil", "came"), BAD)
def test_bad_own_file_is_reported_and_kept(tiny, own, load, spoil, came):
    bad = spoil(tiny.arrays[TRAIN_IMAGES])
    (own / TRAIN_IMAGES).write_bytes(bad)
    with pytest.raises(
        DatasetError, match=f"{TRAIN_IMAGES} is not the original file: .*{came}.*; replace it"
    ) as caught:
        load()
    assert "\n" not in str(caught.value)
    assert (own / TRAIN_IMAGES).read_bytes() == bad


@pytest.mark.parametrize("load", [load_mnist, load_handwritten])
@pytest.mark.parametrize(("spoil", "came"), BAD)
def test_bad_cached_file_is_reported_and_removed(tiny, load, spoil, came):
    fill(tiny.cache, tiny.arrays)
    (tiny.cache / TRAIN_IMAGES).write_bytes(spoil(tiny.arrays[TRAIN_IMAGES]))
    with pytest.raises(DatasetError, match=f"{TRAIN_IMAGES} is not the original file: .*{came}.*; it has been removed"):
        load()
    assert contents(tiny.cache) == {TRAIN_LABELS, TEST_IMAGES, TEST_LABELS}
    assert tiny.calls == 0
    assert_is_tiny(load(), tiny.arrays, TRAIN_IMAGES, TRAIN_LABELS)
    assert tiny.calls == 1


def test_downloads_once(tiny, capsys):
    assert_is_tiny(load_mnist("test"), tiny.arrays, TEST_IMAGES, TEST_LABELS)
    assert re.fullmatch(r"Downloading MNIST from OpenML into .*mnist; [^\n]*\n", capsys.readouterr().err)
    assert contents(tiny.cache) == set(tiny.arrays)
    for file, array in tiny.arrays.items():
        assert gzip.decompress((tiny.cache / file).read_bytes()) == idx(array)
    assert_is_tiny(load_mnist(), tiny.arrays, TRAIN_IMAGES, TRAIN_LABELS)
    assert_is_tiny(load_handwritten(), tiny.arrays, TRAIN_IMAGES, TRAIN_LABELS)
    assert tiny.calls == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "reason", [OSError("no network"), URLError("no route to host"), TimeoutError("timed out"), IncompleteRead(b"")]
)
def test_offline(tiny, capsys, reason):
    tiny.openml = reason
    with pytest.raises(
        DatasetUnavailable, match=r"MNIST could not be downloaded from OpenML \(.+\), so nothing was stored"
    ):
        load_mnist()
    capsys.readouterr()
    assert load_handwritten().name == "scikit-learn digits"
    assert "Using scikit-learn's digits instead." in capsys.readouterr().err
    assert contents(tiny.cache) == set()


def test_cache_that_cannot_be_made_counts_as_unavailable(tiny):
    tiny.cache.parent.write_text("a file where the folder should be")
    with pytest.raises(DatasetUnavailable, match="could not be downloaded .*cache"):
        load_mnist()
    assert load_handwritten().name == "scikit-learn digits"
    assert tiny.calls == 0


def one_pixel_differs(pixels, labels):
    pixels[3, 400] = (pixels[3, 400] + 1) % 256
    return pixels, labels


def one_test_label_differs(pixels, labels):
    labels[-1] = str((int(labels[-1]) + 1) % 10)
    return pixels, labels


def another_order(pixels, labels):
    return pixels[::-1], labels[::-1]


def an_image_is_missing(pixels, labels):
    return pixels[:-1], labels[:-1]


def other_images(pixels, labels):
    return pixels[:, :100], labels


def labels_are_words(pixels, labels):
    return pixels, np.array(["five"] * len(labels), dtype=object)


def a_bad_gzip_file(pixels, labels):
    return gzip.BadGzipFile("CRC check failed")


@pytest.mark.parametrize("load", [load_mnist, load_handwritten])
@pytest.mark.parametrize(
    ("spoil", "came"),
    [
        (one_pixel_differs, "expected 4720 bytes with SHA-256"),
        (one_test_label_differs, "expected 12 bytes with SHA-256"),
        (another_order, "expected 4720 bytes with SHA-256"),
        (an_image_is_missing, "expected 4 x 28 x 28 values, got 3 x 28 x 28"),
        (other_images, "cannot reshape"),
        (labels_are_words, "five"),
        (a_bad_gzip_file, "CRC check failed"),
    ],
)
def test_wrong_download_is_not_stored(tiny, load, spoil, came):
    tiny.openml = spoil(*tiny.openml)
    with pytest.raises(
        DatasetError, match=rf"MNIST could not be downloaded from OpenML \(.*{came}.*\), so nothing"
    ) as caught:
        load()
    assert not isinstance(caught.value, DatasetUnavailable)
    assert contents(tiny.cache) == set()
    tiny.openml = as_openml(tiny.arrays)
    assert_is_tiny(load(), tiny.arrays, TRAIN_IMAGES, TRAIN_LABELS)
    assert tiny.calls == 2


@pytest.mark.parametrize("step", ["gzip.compress", "os.replace"])
def test_interrupted_store_leaves_nothing(tiny, monkeypatch, step):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_mnist()
    assert tiny.calls == 1
    assert contents(tiny.cache) == set()
    assert_is_tiny(load_mnist(), tiny.arrays, TRAIN_IMAGES, TRAIN_LABELS)
