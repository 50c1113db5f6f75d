"""Plans of the chapters, axes at any scale, and the command line."""

import ast
import subprocess
import sys

import numpy as np
import pytest
import sweep_trials
from numpy.testing import assert_array_equal
from sweep_trials import compiled
from tolerances import ROUND_OFF, assert_close

from aedyn import __main__ as command_line
from aedyn import code_consistency_sweeps
from aedyn._experiments import points, stream_key
from aedyn.sweeps import Plan, finer, read_table


@pytest.mark.parametrize("scale", [1, 2, 3, 10])
def test_a_finer_axis_keeps_the_values(scale):
    for axis in (np.linspace(0.02, 0.8, 27), np.geomspace(1, 7, 5), [3.0]):
        fine = finer(axis, scale)
        assert len(fine) == scale * (len(axis) - 1) + 1
        assert_array_equal(fine[::scale], axis)
    assert_close(finer([0.0, 1.0, 3.0], 2), [0, 0.5, 1, 2, 3], ROUND_OFF)
    assert_close(finer(np.arange(11.0), 0.2), [0, 5, 10], ROUND_OFF)


def test_a_finer_axis_of_integers_has_integers_each_once():
    axis = finer([1, 2, 4, 8], 3)
    assert axis.dtype.kind == "i" and axis.tolist() == [1, 2, 3, 4, 5, 7, 8]
    assert finer(np.arange(11), 0.2).tolist() == [0, 5, 10]


def test_a_finer_plan_takes_over_the_trials_of_the_coarser(tmp_path):
    plan = Plan(
        sweep_trials.normal, lambda scale: {"center": finer(np.linspace(0, 0.7, 4), scale)}, 2, fixed={"scale": 1}
    )
    options = {"engine": "serial", "progress": False, "store": tmp_path / "trials"}
    coarse = plan.run(**options)
    fine = plan.run(2, n_trials=3, **options)
    assert len(coarse.rows) == 8 and len(fine.rows) == 21
    both = coarse.rows.merge(fine.rows, on=["center", "trial"])
    assert (both["value_x"] == both["value_y"]).all() and (both["seconds_x"] == both["seconds_y"]).all()


def test_a_plan_runs_with_other_fixed_parameters_or_reads_what_a_rerun_has_written(tmp_path):
    plan = Plan(sweep_trials.normal, lambda scale: {"center": [0, 1]}, 2, fixed={"scale": 1}, paired=("center",))
    other = plan.run(seed=(1, 2), fixed={"scale": 3}, engine="serial", progress=False)
    assert (
        other.about["seed"] == (1, 2) and other.about["fixed"] == {"scale": 3} and other.about["paired"] == ["center"]
    )
    other.write(tmp_path / "rerun.csv")
    assert plan.run(table=tmp_path / "rerun.csv").rows.equals(other.rows)


@pytest.mark.parametrize("name", command_line._offered())
def test_each_plan_of_a_chapter_says_what_it_asks_and_has_a_grid_for_every_scale(name):
    plan = command_line._offered()[name]
    first, *_ = plan.experiment.__doc__.splitlines()
    assert first.endswith("?") or first.endswith(".")
    sets = [points(plan.grid(scale), plan.fixed, plan.experiment) for scale in (0.1, 1, 2, 3)]
    keys = [{stream_key(point) for point in found} for found in sets]
    assert keys[1] <= keys[2] and keys[1] <= keys[3] and len(keys[0]) <= len(keys[1])
    assert set(plan.paired) <= set().union(plan.fixed, *sets[1])


def test_the_command_writes_tables_and_goes_on_from_its_store(tmp_path, capsys):
    arguments = "sweep code_consistency --scale 0.1 --engine serial --store".split()
    for n_trials, folder in (1, "a"), (2, "b"):
        more = [str(tmp_path / "trials"), "--trials", str(n_trials), "--out", str(tmp_path / folder)]
        command_line.main(arguments + more)
        said = capsys.readouterr().out
        assert (
            f"{24 * n_trials} trials in {tmp_path / folder / 'code_consistency.window.csv'}, 0 of them failed" in said
        )
        tables = ast.literal_eval(said.split("tables = ")[1])
    for name, path in tables.items():
        experiment = code_consistency_sweeps.SWEEPS[name].experiment
        first, second = (read_table(str(path).replace("/b/", f"/{folder}/"), experiment).rows for folder in "ab")
        assert first.equals(second[second["trial"] == 0].reset_index(drop=True))
    assert list(tables) == list(code_consistency_sweeps.SWEEPS)


def test_the_command_runs_one_sweep_with_another_seed(tmp_path):
    arguments = "sweep code_consistency.closeness --scale 0.1 --seed 3 --engine serial".split()
    command_line.main([*arguments, "--store", str(tmp_path / "trials"), "--out", str(tmp_path)])
    found = read_table(tmp_path / "code_consistency.closeness.csv", code_consistency_sweeps.closeness)
    assert found.about["seed"] == 3 and [path.name for path in tmp_path.glob("*.csv")] == [
        "code_consistency.closeness.csv"
    ]


@compiled
def test_the_command_lists_its_sweeps_and_names_them_when_asked_for_another():
    def command(*arguments):
        return subprocess.run([sys.executable, "-m", "aedyn", *arguments], capture_output=True, text=True)

    listed = command("sweep", "--list")
    assert listed.returncode == 0 and listed.stdout.startswith("code_consistency.window")
    with pytest.raises(SystemExit, match="name a chapter or sweep of code_consistency.window.*; got nothing_like_it"):
        command_line.main(["sweep", "nothing_like_it"])
    with pytest.raises(SystemExit, match="got None"):
        command_line.main(["sweep"])
