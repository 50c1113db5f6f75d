"""Figures: what is drawn where, that they are the same each time, and that their colours differ in grey."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_rgb
from tolerances import ROUND_OFF, assert_close

from aedyn.plotting import COLOURS, MARKERS, THEORY, image_grid, phase_diagram, use_style


@pytest.fixture(autouse=True)
def plain():
    """Settings and figures are gone after the test."""
    with plt.rc_context():
        yield
    plt.close("all")


# Style ----------------------------------------------------------------------------------------------------------------


def lightness(colour):
    """CIELAB lightness, from 0 to 100; a step of about 2 is just noticed side by side."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 116 * np.cbrt(np.dot(linear, [0.2126, 0.7152, 0.0722])) - 16


def test_colours_differ_in_grey_and_stand_out_on_white():
    levels = [lightness(colour) for colour in COLOURS]
    assert min(abs(a - b) for a, b in combinations(levels, 2)) > 8
    assert max(levels) < 62, "contrast 3 to white, as accessible graphics need"


def test_curves_differ_without_colour():
    use_style()
    fig, ax = plt.subplots()
    lines = [ax.plot([0, 1])[0] for _ in COLOURS]
    assert len({line.get_marker() for line in lines}) == len(COLOURS) == len(MARKERS)
    assert [line.get_color() for line in lines] == list(COLOURS)
    theory = ax.plot([0, 1], **THEORY)[0]
    assert (theory.get_linestyle(), theory.get_marker()) == ("--", "")
    assert {line.get_linestyle() for line in lines} == {"-"}


def test_a_figure_is_the_same_file_each_time(tmp_path):
    use_style()
    for name in ("first.svg", "second.svg"):
        fig, ax = plt.subplots()
        ax.plot([1, 2, 3], label="curve")
        ax.legend()
        phase_diagram(ax, [0, 1], [0, 1], np.eye(2), xlabel="x", ylabel="y", label="share")
        fig.savefig(tmp_path / name, metadata={"Date": None})
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_notebooks_show_vector_graphics(monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell.clear_instance()
    use_style()
    assert not InteractiveShell.initialized(), "a script is left alone"
    shell = InteractiveShell.instance()
    try:
        use_style()
        shown, _ = shell.display_formatter.format(plt.subplots()[0])
        assert "<svg" in shown["image/svg+xml"] and "image/png" not in shown
    finally:
        InteractiveShell.clear_instance()


# Phase diagrams -------------------------------------------------------------------------------------------------------


def test_phase_diagram_draws_each_value_at_its_point():
    fig, ax = plt.subplots()
    values = np.arange(6.0).reshape(2, 3) / 5
    mesh = phase_diagram(ax, [1, 2, 4], [10, 20], values, xlabel="delta", ylabel="k", label="share")
    assert np.array_equal(mesh.get_array(), values)
    assert mesh.get_clim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("delta", "k")
    corners = mesh.get_coordinates()
    assert_close(corners[0, :, 0], np.array([0.5, 1.5, 3, 5]), ROUND_OFF)
    assert_close(corners[:, 0, 1], np.array([5.0, 15, 25]), ROUND_OFF)
    assert [other.get_ylabel() for other in fig.axes if other is not ax] == ["share"]


def test_points_lie_in_the_middle_of_their_cells_on_the_scale_of_the_axis():
    fig, ax = plt.subplots()
    ax.set_xscale("log")
    mesh = phase_diagram(ax, [1, 10, 100], [1, 2], np.ones((2, 3)), xlabel="", ylabel="", low=-1, high=2)
    assert_close(np.log10(mesh.get_coordinates()[0, :, 0]), np.array([-0.5, 0.5, 1.5, 2.5]), ROUND_OFF)
    assert_close(mesh.get_coordinates()[:, 0, 1], np.array([0.5, 1.5, 2.5]), ROUND_OFF)
    assert mesh.get_clim() == (-1, 2)
    assert len(fig.axes) == 1, "a colour bar only when it has a label"


# Images ---------------------------------------------------------------------------------------------------------------


def test_image_grid_puts_images_side_by_side():
    fig, ax = plt.subplots()
    images = [np.array([[1, -2], [0, 4.0]]), np.zeros((2, 2)), np.array([[0, 0.1], [0, 0]])]
    image_grid(ax, np.column_stack([image.ravel() for image in images]), n_across=2)
    sheet = ax.images[0].get_array().filled(np.nan)
    gap = np.nan
    expected = [
        [0.25, -0.5, gap, 0, 0],
        [0, 1, gap, 0, 0],
        [gap, gap, gap, gap, gap],
        [0, 1, gap, gap, gap],
        [0, 0, gap, gap, gap],
    ]
    assert np.array_equal(sheet, expected, equal_nan=True)
    assert ax.images[0].get_clim() == (-1, 1) and ax.images[0].get_cmap().name == "RdBu_r"
    assert not ax.axison


def test_image_grid_of_ink():
    fig, ax = plt.subplots()
    image_grid(ax, np.ones((9, 1)), n_across=1, signed=False)
    assert ax.images[0].get_array().shape == (3, 3)
    assert ax.images[0].get_clim() == (0, 1) and ax.images[0].get_cmap().name == "Greys"
