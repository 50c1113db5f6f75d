"""Sweeps: streams, engines, tables and their summaries."""

import json
import sys
import types
import warnings

import naive
import numpy as np
import pytest
import sweep_trials
from numpy.testing import assert_array_equal
from scipy import stats
from sweep_trials import compiled
from threadpoolctl import threadpool_info
from tolerances import ITERATED, ROUND_OFF, STANDARD_ERRORS, assert_close

from aedyn import _engines, _trials
from aedyn._experiments import experiment_digest, plain, stream_key
from aedyn.sweeps import read_table, sweep

GRID = {"center": [0.0, 1.5], "scale": [1, 2]}


def run(experiment, grid, n_trials=3, seed=5, **options):
    return sweep(experiment, grid, n_trials, seed, **{"engine": "serial", "progress": False} | options)


def values(result, column="value", **at):
    rows = result.rows
    for name, value in at.items():
        rows = rows[rows[name] == value]
    return rows[column].to_numpy()


# Streams --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [5, (5, 7)])
def test_each_trial_has_the_stream_of_its_seed_point_and_number(seed):
    result = run(sweep_trials.normal, GRID, seed=seed)
    assert result.rows[["center", "scale", "trial"]].to_numpy().tolist() == [
        [center, scale, i] for center in GRID["center"] for scale in GRID["scale"] for i in range(3)
    ]
    for row in result.rows.itertuples():
        expected = naive.trial_stream(seed, {"scale": row.scale, "center": row.center}, row.trial).standard_normal()
        assert row.value == row.center + row.scale * expected


def test_no_two_trials_share_a_stream():
    draws = run(sweep_trials.coins, {"p": [0.5], "n": range(1, 200)}).rows
    keys = {stream_key({"p": 0.5, "n": n}) for n in range(1, 200)} | {stream_key({"n": 1}), stream_key({"p": 1})}
    assert len(draws) == 3 * 199 and len(keys) == 201


def test_adding_points_values_and_trials_changes_no_other_number():
    before = run(sweep_trials.normal, GRID)
    after = run(sweep_trials.normal, {"scale": np.array([0.5, 1, 2]), "center": [-1.0, 0.0, 0.25, 1.5]}, n_trials=5)
    assert len(after.rows) == 60
    for center in GRID["center"]:
        for scale in GRID["scale"]:
            assert_array_equal(
                values(after, center=center, scale=scale)[:3], values(before, center=center, scale=scale)
            )
    points = [{"scale": 2, "center": 1.5}, {"center": 0, "scale": np.float32(1)}]
    assert_array_equal(values(run(sweep_trials.normal, points))[3:], values(before, center=0.0, scale=1))


def test_a_parameter_may_be_fixed_instead():
    result = run(sweep_trials.normal, {"center": GRID["center"]}, fixed={"scale": 2})
    assert_array_equal(values(result), values(run(sweep_trials.normal, GRID), scale=2))
    assert result.parameters == ("center",) and result.about["fixed"] == {"scale": 2}


def test_paired_points_draw_the_same_numbers():
    result = run(sweep_trials.normal, GRID, paired=("center",))
    for scale in GRID["scale"]:
        low, high = (values(result, center=center, scale=scale) for center in GRID["center"])
        drawn = [naive.trial_stream(5, {"scale": scale}, i).standard_normal() for i in range(3)]
        assert_array_equal(low, scale * np.array(drawn))
        assert_array_equal(high, 1.5 + scale * np.array(drawn))
    assert result.about["paired"] == ["center"]
    fixed = run(sweep_trials.normal, {"scale": GRID["scale"]}, fixed={"center": 1.5}, paired=("center",))
    assert_array_equal(values(fixed), values(result, center=1.5))


def test_pairing_is_another_sweep_to_the_store(tmp_path):
    store = tmp_path / "trials.sqlite"
    tables = [run(sweep_trials.normal, GRID, paired=names, store=store) for names in ((), ("center",), ())]
    assert_array_equal(values(tables[0]), values(tables[2]))
    assert not np.intersect1d(values(tables[0]), values(tables[1])).size


def test_another_seed_gives_other_numbers():
    assert not np.intersect1d(
        values(run(sweep_trials.normal, GRID)), values(run(sweep_trials.normal, GRID, seed=6))
    ).size


# Engines --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    """Scheduler and two worker processes on this machine, as a user would have started them."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.mark.parametrize(
    "experiment, grid", [(sweep_trials.several, {"k": range(6)}), (sweep_trials.product, {"size": [3, 150]})]
)
def test_all_engines_give_the_same_bits(cluster, experiment, grid):
    tables = [
        run(experiment, grid, n_trials=20),
        run(experiment, grid, n_trials=20, engine="processes", n_workers=1),
        run(experiment, grid, n_trials=20, engine="processes", n_workers=2),
        run(experiment, grid, n_trials=20, engine="dask", scheduler=cluster.scheduler_address),
    ]
    first, *others = (table.rows.drop(columns="seconds") for table in tables)
    assert len(first) == 20 * len(next(iter(grid.values()))) and first[tables[0].values[0]].nunique() == len(first)
    for other in others:
        assert first.equals(other)


@compiled
def test_dask_makes_a_cluster_when_none_is_given():
    result = run(sweep_trials.normal, GRID, engine="dask", n_workers=1)
    assert_array_equal(values(result), values(run(sweep_trials.normal, GRID)))


def test_trials_use_one_thread(set_threads):
    set_threads(4)

    def threads(rng):
        import numba

        pools = [pool["num_threads"] for pool in threadpool_info()]
        return {"numba": numba.get_num_threads(), "most": max(pools)}

    job = _trials.Job(threads, 0, None, _trials.PACKAGE)
    (outcome,) = _trials.run_batch(job, [_trials.Trial(0, {}, (0,), 0)])
    assert json.loads(outcome.values) == {"numba": 1, "most": 1}
    import numba

    assert numba.get_num_threads() == 4
    assert set(_engines.ONE_THREAD) >= {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"}


@compiled
def test_workers_with_other_sources_of_the_package_are_refused(monkeypatch):
    monkeypatch.setattr("aedyn.sweeps.PACKAGE", "changed")
    with pytest.raises(RuntimeError, match="a worker has other sources of aedyn"):
        run(sweep_trials.normal, GRID, engine="processes", n_workers=1)


def test_only_a_few_trials_are_taken_at_a_time():
    n_made = n_done = most = 0

    def trials():
        nonlocal n_made
        for n_made in range(1, 5001):
            yield _trials.Trial(0, {"p": 0.5}, (1,), n_made)

    job = _trials.Job(sweep_trials.coin, 0, None, _trials.PACKAGE)
    for found in _engines.outcomes(job, trials(), 5000, "serial"):
        n_done += len(found)
        most = max(most, n_made - n_done)
    assert n_done == 5000 and most < _engines.LARGEST_BATCH


def test_batches_grow_and_shrink():
    queue, sizes, n_done = _engines._Queue((_trials.Trial(0, {}, (), i) for i in range(20_000)), 20_000), [], 0
    while batch := queue.next(2):
        sizes.append(len(batch))
        # at most 700 of them can be done in the time that a batch has
        queue.finished(batch, batch[:700])
        n_done += len(batch[:700])
    assert n_done == 20_000 and queue.n_left == 0
    assert sizes[:4] == [1, 2, 4, 8] and max(sizes) == _engines.LARGEST_BATCH
    assert sizes[sizes.index(_engines.LARGEST_BATCH) + 1] == 700
    assert sizes[-1] == 1 and sorted(sizes[-5:], reverse=True) == sizes[-5:], "workers finish together"


# What is taken --------------------------------------------------------------------------------------------------------


def factory():
    def inner(rng):
        return 0.0

    return inner


class Model:
    def trial(self, rng):
        return 0.0


@pytest.mark.parametrize("experiment", [lambda rng: 0.0, factory(), Model().trial, np.sin, "window"])
def test_only_plain_functions_are_taken(experiment):
    with pytest.raises(TypeError, match="experiment must be a plain function at the top of a module"):
        run(experiment, {"k": [1]})


ARRAY = np.arange(3)


def uses_an_array(rng, k):
    return float(ARRAY[k])


def test_globals_must_be_constants():
    with pytest.raises(TypeError, match="uses_an_array uses ARRAY, a ndarray, whose changes would go unnoticed"):
        run(uses_an_array, {"k": [1]})


@pytest.mark.parametrize(
    "grid, error, message",
    [
        (
            {"center": [0.0], "scale": [np.zeros(2)]},
            TypeError,
            "parameter scale must have values that are finite numbers",
        ),
        ({"center": [np.nan], "scale": [1]}, TypeError, "got nan"),
        ({"center": [{}], "scale": [1]}, TypeError, "parameter center"),
        ({"center": [1]}, TypeError, "experiment must take a generator and the parameters center"),
        ({"center": [1], "scale": [1], "more": [1]}, TypeError, "more"),
        ({"center": [], "scale": [1]}, ValueError, "grid must have a point"),
        ({"center": [1, 2, 1.0], "scale": [1]}, ValueError, "those at 0 and 2 are both {'center': 1.0}"),
        ([{"center": 1, "scale": 2}, {"scale": 2, "center": 1}], ValueError, "those at 0 and 1 are both"),
        ({"center": [1], "scale": [1], "trial": [1]}, ValueError, "must not have a parameter 'trial'"),
    ],
)
def test_grids_that_cannot_be_used(grid, error, message):
    with pytest.raises(error, match=message):
        run(sweep_trials.normal, grid)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"engine": "threads"}, "engine must be one of serial, processes, dask"),
        ({"scheduler": "tcp://localhost:1"}, "'dask' with a scheduler"),
        ({"n_trials": 0}, "n_trials must be"),
        ({"seed": -1}, "seed must be"),
        ({"time_limit": -1}, "time_limit must lie"),
        ({"fixed": {"center": 1}}, "it is fixed as well"),
        ({"paired": ("center", "width")}, "paired must name parameters; got 'width'"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(ValueError, match=message):
        run(sweep_trials.normal, GRID, **options)


def test_parameters_arrive_as_plain_values():
    given = {"a": np.float64(0.1), "b": np.int64(2), "c": np.bool_(True), "d": [1, [2, 3]], "e": None, "f": "x"}
    arrived = {name: plain(name, value) for name, value in given.items()}
    assert arrived == {"a": 0.1, "b": 2, "c": True, "d": (1, (2, 3)), "e": None, "f": "x"}
    assert [type(value) for value in arrived.values()] == [float, int, bool, tuple, type(None), str]


# The same experiment --------------------------------------------------------------------------------------------------

SOURCE = """
import helper
from helper import other

SCALE = {scale}

class Model:
    def draw(self, rng):
        return {model}

def inner(rng):
    return {inner}

def trial(rng, k, n={default}):
    # {comment}
    return [Model().draw(rng) * SCALE * inner(rng) + helper.other(rng) + other(rng) for _ in range(n)][0]

def unused(rng):
    return {unused}
"""
PARTS = {"scale": "2", "model": "1.0", "inner": "rng.random()", "default": "1", "comment": "a", "unused": "0"}


def digest_of(folder, monkeypatch, helper="1.0", **changes):
    folder.mkdir(exist_ok=True)
    (folder / "helper.py").write_text(f"def other(rng):\n    return {helper}\n")
    (folder / "user.py").write_text(SOURCE.format(**PARTS | changes))
    monkeypatch.syspath_prepend(folder)
    for name in ("user", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import user

    return experiment_digest(user.trial)


def test_a_changed_experiment_is_another_one(tmp_path, monkeypatch):
    first = digest_of(tmp_path / "a", monkeypatch)
    assert digest_of(tmp_path / "b", monkeypatch) == first
    assert digest_of(tmp_path / "c", monkeypatch, unused="1") == first, "what it does not use does not matter"
    changes = [{"scale": "3"}, {"model": "2.0"}, {"inner": "rng.normal()"}, {"default": "2"}, {"comment": "b"}]
    digests = [digest_of(tmp_path / str(i), monkeypatch, **change) for i, change in enumerate(changes)]
    digests.append(digest_of(tmp_path / "h", monkeypatch, helper="2.0"))
    assert len({first, *digests}) == 7


def test_an_experiment_without_source_is_refused():
    module = types.ModuleType("nowhere")
    exec("def trial(rng):\n    return 0.0", vars(module))
    with pytest.raises(TypeError, match="the source of trial cannot be read"):
        run(module.trial, [{}])


# Tables ---------------------------------------------------------------------------------------------------------------


def test_columns_have_the_types_of_the_values():
    rows = run(sweep_trials.several, {"k": [1, 2], "kind": ["a", "b"]}).rows
    kinds = {name: rows[name].dtype.kind for name in ("k", "trial", "x", "n", "hit", "seconds")}
    assert kinds == {"k": "i", "trial": "i", "x": "f", "n": "i", "hit": "b", "seconds": "f"}
    assert (rows["failure"] == "").all() and (rows["seconds"] > 0).all()


def test_a_table_is_read_as_it_was_written(tmp_path):
    kinds = {"a,b": 1, "nan": 0.1 + 0.2, None: (1, 2), "": None}
    points = [{"k": k, "kind": kind} for kind, k in kinds.items()]
    for grid in ({"k": [1, 0.1 + 0.2]}, points):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = run(sweep_trials.several, grid)
            result.write(tmp_path / "table.csv")
            found = read_table(tmp_path / "table.csv", sweep_trials.several)
        assert found.rows.equals(result.rows)
        assert (found.parameters, found.values, found.about) == (result.parameters, result.values, result.about)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_table_with_failures_and_gaps_is_read_as_it_was_written(tmp_path):
    with pytest.warns(RuntimeWarning, match="3 of 9 trials failed"):
        result = run(sweep_trials.fails, {"k": range(3)})
    result.write(tmp_path / "table.csv")
    assert read_table(tmp_path / "table.csv", sweep_trials.fails).rows.equals(result.rows)


def test_a_table_of_another_experiment_is_refused(tmp_path):
    table = tmp_path / "table.csv"
    result = run(sweep_trials.several, {"k": [1]})
    result.write(table)
    with pytest.raises(ValueError, match="table.csv is of several, not by normal as it is here"):
        read_table(table, sweep_trials.normal)
    result.about["digest"] = "older"
    result.write(table)
    with pytest.raises(ValueError, match="is made by an older or newer several"):
        read_table(table, sweep_trials.several)
    table.write_text("k,x\n1,2\n")
    with pytest.raises(ValueError, match="is not the table of a sweep"):
        read_table(table, sweep_trials.several)


def test_a_table_of_another_version_of_the_package_is_read_with_a_warning(tmp_path):
    result = run(sweep_trials.several, {"k": [1]})
    result.about["package"] = "older"
    result.write(tmp_path / "table.csv")
    with pytest.warns(UserWarning, match="made with other sources of aedyn"):
        read_table(tmp_path / "table.csv", sweep_trials.several)


# Summaries ------------------------------------------------------------------------------------------------------------


def test_means_have_student_intervals():
    result = run(sweep_trials.normal, GRID, n_trials=7)
    table = result.summary(level=0.9)
    assert table[["center", "scale", "n_finite"]].to_numpy().tolist() == [
        [center, scale, 7] for center in GRID["center"] for scale in GRID["scale"]
    ]
    for i, row in table.iterrows():
        x = values(result)[7 * i : 7 * i + 7]
        assert_close(row[["mean", "low", "high"]].to_numpy(float), naive.student_interval(x, 0.9), ROUND_OFF)
    alone = run(sweep_trials.normal, GRID, n_trials=1).summary()
    assert alone["mean"].notna().all() and alone[["low", "high"]].isna().all(axis=None), "one trial has no spread"


def test_shares_have_wilson_intervals():
    flips = run(sweep_trials.coin, {"p": [0.0, 0.3, 1.0]}, n_trials=25)
    counted = run(sweep_trials.coins, {"p": [0.0, 0.3, 1.0]}, n_trials=4, fixed={"n": 25})
    numbers, heads = values(flips).reshape(3, 25).sum(axis=1), values(counted, "heads").reshape(3, 4).sum(axis=1)
    cases = (
        (flips.summary(level=0.9), numbers, 25),
        (counted.summary("heads", out_of="n", level=0.9), heads, 100),
        (counted.summary("heads", out_of=25, level=0.9), heads, 100),
    )
    for table, successes, n in cases:
        assert successes[0] == 0 < successes[1] < successes[2] == n
        expected = [naive.wilson_interval(k, n, 0.9) for k in successes]
        assert_close(table[["mean", "low", "high"]], expected, ITERATED)


def test_zeros_and_ones_are_shares_and_other_numbers_are_not():
    share = run(sweep_trials.coins, {"p": [0.5]}, n_trials=20, fixed={"n": 1}).summary("heads")
    number = run(sweep_trials.coins, {"p": [0.5]}, n_trials=20, fixed={"n": 2}).summary("heads")
    k = round(20 * share["mean"][0])
    assert_close(share[["mean", "low", "high"]].iloc[0], naive.wilson_interval(k, 20, 0.95), ITERATED)
    assert number["mean"][0] - number["low"][0] == pytest.approx(number["high"][0] - number["mean"][0], rel=ITERATED)


def test_intervals_cover_the_truth_as_often_as_they_say():
    n_points, p, level = 2000, 0.3, 0.9
    spread = np.sqrt(level * (1 - level) / n_points)
    normal = run(sweep_trials.normal, {"center": np.arange(n_points), "scale": [2]}, n_trials=4).summary(level=level)
    covered = ((normal["low"] <= normal["center"]) & (normal["center"] <= normal["high"])).mean()
    assert abs(covered - level) <= STANDARD_ERRORS * spread
    # what Wilson's interval really covers is a sum over the outcomes, near the level on average over p
    heads = run(sweep_trials.coins, {"p": [p], "n": [30]}, n_trials=n_points).rows["heads"].to_numpy()
    covers = np.array([low <= p <= high for _, low, high in (naive.wilson_interval(k, 30, level) for k in range(31))])
    exact = stats.binom.pmf(np.arange(31), 30, p) @ covers
    assert abs(covers[heads].mean() - exact) <= STANDARD_ERRORS * np.sqrt(exact * (1 - exact) / n_points)
    assert abs(exact - level) < 0.05


def test_not_a_number_and_failures_are_counted_and_left_out():
    with pytest.warns(RuntimeWarning, match="3 of 9 trials failed; trial 0 at {'k': 1} failed:"):
        result = run(sweep_trials.fails, {"k": range(3)})
    table = result.summary()
    assert table[["n_finite", "n_not_finite", "n_failed"]].to_numpy().tolist() == [[3, 0, 0], [0, 0, 3], [0, 3, 0]]
    assert table["mean"].notna().tolist() == [True, False, False]
    assert_close([table["mean"][0]], [values(result, k=0).mean()], ROUND_OFF)


def test_a_column_must_be_named_when_there_are_several():
    with pytest.raises(ValueError, match="column must be one of x, n, hit; got None"):
        run(sweep_trials.several, {"k": [1]}).summary()
