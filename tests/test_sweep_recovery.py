"""Sweeps that are interrupted, and trials that go wrong: nothing is lost, and nothing is done twice."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import sweep_trials
from sweep_trials import compiled

from aedyn import _trials
from aedyn._store import Store, StoreError
from aedyn._trials import Outcome
from aedyn.sweeps import sweep

PATIENCE = 60  # seconds that only a failure would take


def run(experiment, grid, n_trials=3, seed=5, **options):
    return sweep(experiment, grid, n_trials, seed, **{"engine": "serial", "progress": False} | options)


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return run(*arguments, **options)


def numbers(result):
    return result.rows.drop(columns=["seconds", "failure"])


def executions(log):
    """How often each value was noted."""
    return Counter(line.split()[0] for line in Path(log).read_text().splitlines())


@pytest.fixture
def noted(tmp_path):
    """Grid and fixed parameters of trials that leave a line in a log."""
    return {"k": range(4)}, {"log": str(tmp_path / "log"), "deadly": str(tmp_path / "deadly")}


# Trials that go wrong -------------------------------------------------------------------------------------------------


def test_a_trial_that_raises_is_recorded_with_its_traceback_and_stops_nothing():
    with pytest.warns(RuntimeWarning, match=r"3 of 9 trials failed; trial 0 at {'k': 1} failed:\nTraceback"):
        result = run(sweep_trials.fails, {"k": range(3)})
    assert len(result.rows) == 9 and result.failures["k"].tolist() == [1, 1, 1]
    for text in result.failures["failure"]:
        assert 'raise ValueError(f"drew {x}")' in text and "ValueError: drew 0." in text and "in _run" not in text
    assert result.rows["value"].isna().sum() == 6


def test_the_first_failure_stops_all_when_asked_to(tmp_path):
    store = tmp_path / "trials"
    with pytest.raises(RuntimeError, match=r"trial 0 at {'k': 1} failed:\nTraceback"):
        run(sweep_trials.fails, {"k": range(3)}, store=store, stop_at_failure=True)
    assert (quietly(sweep_trials.fails, {"k": range(3)}, store=store).rows["failure"] != "").sum() == 3


@pytest.mark.parametrize(
    "returned", [None, "text", 1j, [1.0, 2.0], {"x": "text"}, {1: 2.0}, {"k": 1.0}, {"failure": 1.0}]
)
def test_what_is_no_number_fails(returned):
    job = _trials.Job(lambda rng, k: returned, 0, None, _trials.PACKAGE)
    (outcome,) = _trials.run_batch(job, [_trials.Trial(0, {"k": 1}, (0,), 0)])
    assert outcome.values is None and re.search("Error: an experiment (returns|must not return)", outcome.failure)


@compiled
@pytest.mark.parametrize("engine", ["serial", "processes", "dask"])
def test_a_trial_that_hangs_is_stopped(engine, tmp_path):
    options = {"engine": engine, "n_workers": None if engine == "serial" else 2, "store": tmp_path / "trials"}
    start = time.monotonic()
    with pytest.warns(RuntimeWarning, match="1 of 6 trials failed"):
        result = run(sweep_trials.hangs, {"k": range(6)}, n_trials=1, time_limit=0.2, **options)
    assert time.monotonic() - start < PATIENCE
    assert result.failures[["k", "failure"]].to_numpy().tolist() == [[1, "took longer than 0.2 s"]]
    if engine != "serial":
        return
    with pytest.warns(RuntimeWarning, match="took longer than 0.1 s"):
        again = run(sweep_trials.hangs, {"k": range(6)}, n_trials=1, time_limit=0.1, **options)
    assert numbers(again).equals(numbers(result)), "it is tried again on resuming, and the others are kept"


@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_a_trial_that_sleeps_is_stopped(engine):
    start = time.monotonic()
    result = quietly(sweep_trials.sleeps, {"k": range(3)}, n_trials=1, engine=engine, n_workers=1, time_limit=0.2)
    assert result.failures["k"].tolist() == [1] and time.monotonic() - start < 15


def test_a_limit_leaves_the_clock_of_the_process_as_it_was():
    before = signal.getsignal(signal.SIGALRM)
    run(sweep_trials.normal, {"center": [0], "scale": [1]}, time_limit=5.0)
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_may_go_better_next_time_is_run_again(tmp_path):
    store, log = tmp_path / "trials", str(tmp_path / "log")
    for n_calls in (1, 2):
        result = quietly(sweep_trials.no_memory, [{}], fixed={"log": log}, n_trials=2, store=store)
        assert len(result.failures) == 2 and set(executions(log).values()) == {n_calls}


@compiled
@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_a_trial_that_kills_its_worker_is_found_out(engine, tmp_path):
    options = {"n_trials": 1, "engine": engine, "n_workers": 2, "store": tmp_path / "trials"}
    with pytest.warns(RuntimeWarning, match="1 of 12 trials failed"):
        result = run(sweep_trials.kills, {"k": range(12)}, **options)
    assert result.failures[["k", "failure"]].to_numpy().tolist() == [[1, "its worker died"]]
    assert result.rows["value"].notna().sum() == 11


# Interruptions --------------------------------------------------------------------------------------------------------


@compiled
@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_nothing_is_lost_when_a_worker_dies_once(engine, noted, tmp_path):
    grid, fixed = noted
    Path(fixed["deadly"]).touch()
    result = run(sweep_trials.noted, grid, 50, fixed=fixed, engine=engine, n_workers=2, store=tmp_path / "trials")
    assert not Path(fixed["deadly"]).exists() and not len(result.failures)
    runs = executions(fixed["log"])
    assert numbers(result).equals(numbers(run(sweep_trials.noted, grid, 50, fixed=fixed)))
    assert len(runs) == 200 and sum(runs.values()) - 200 < 100, "what was under way is repeated, not more"
    assert count(tmp_path / "trials") == 200


DRIVER = """
import sys
sys.path.insert(0, {tests!r})
import sweep_trials
from aedyn.sweeps import sweep

if __name__ == "__main__":
    fixed = dict(log={log!r}, deadly={deadly!r})
    options = dict(engine={engine!r}, n_workers=2, store={store!r}, progress=False)
    sweep(sweep_trials.noted, dict(k=range(4)), 50, 5, fixed=fixed, **options)
"""


def start_driver(fixed, engine, store):
    text = DRIVER.format(tests=str(Path(__file__).parent), engine=engine, store=str(store), **fixed)
    script = Path(store).with_suffix(".py")
    script.write_text(text)
    return subprocess.Popen([sys.executable, str(script)])


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def query(store, text):
    with closing(sqlite3.connect(store, timeout=PATIENCE)) as connection:
        return connection.execute(text).fetchall()


def count(store):
    try:
        return query(store, "SELECT count(*) FROM trials")[0][0]
    except sqlite3.OperationalError:
        return 0  # not made yet


@compiled
def test_a_killed_sweep_goes_on_where_it_stopped(noted, tmp_path):
    grid, fixed = noted
    store = tmp_path / "trials"
    driver = start_driver(fixed, "processes", store)
    wait_for(lambda: count(store) >= 20)
    driver.kill()
    driver.wait()
    recorded = {text[10:-1] for (text,) in query(store, 'SELECT "values" FROM trials')}
    assert 20 <= len(recorded) < 200
    orphans = {int(line.split()[1]) for line in Path(fixed["log"]).read_text().splitlines()}
    result = run(sweep_trials.noted, grid, 50, fixed=fixed, engine="processes", n_workers=2, store=store)
    for pid in orphans:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    runs = executions(fixed["log"])
    assert len(runs) == 200 and all(runs[value] == 1 for value in recorded), "no recorded trial is run again"
    assert sum(runs.values()) - 200 < 100, "what was under way is repeated, not more"
    assert numbers(result).equals(numbers(run(sweep_trials.noted, grid, 50, fixed=fixed)))
    assert count(store) == 200


@compiled
def test_two_processes_may_share_a_store(noted, tmp_path):
    grid, fixed = noted
    store = tmp_path / "trials"
    drivers = [start_driver(fixed, "serial", store) for _ in range(2)]
    assert [driver.wait(PATIENCE) for driver in drivers] == [0, 0]
    assert count(store) == 200
    n_runs = sum(executions(fixed["log"]).values())
    result = run(sweep_trials.noted, grid, 50, fixed=fixed, store=store)
    assert sum(executions(fixed["log"]).values()) == n_runs, "nothing is left to do"
    assert numbers(result).equals(numbers(run(sweep_trials.noted, grid, 50, fixed=fixed)))


def test_rows_of_a_changed_experiment_package_or_seed_are_not_used(noted, tmp_path, monkeypatch):
    grid, fixed = noted
    store, n_runs = tmp_path / "trials", []
    for change in (None, None, "digest", "package", "seed"):
        if change == "digest":
            monkeypatch.setattr("aedyn.sweeps.experiment_digest", lambda experiment: "changed")
        if change == "package":
            monkeypatch.setattr("aedyn.sweeps.PACKAGE", "changed")
            monkeypatch.setattr("aedyn._trials.PACKAGE", "changed")
        run(sweep_trials.noted, grid, 1, seed=6 if change == "seed" else 5, fixed=fixed, store=store)
        n_runs.append(sum(executions(fixed["log"]).values()))
    assert n_runs == [4, 4, 8, 12, 16]


# The store ------------------------------------------------------------------------------------------------------------


def test_several_may_make_a_store_at_once(tmp_path):
    for attempt in range(10):
        meeting = threading.Barrier(4)

        def make(_, path=tmp_path / str(attempt), meeting=meeting):
            meeting.wait(PATIENCE)
            with Store(path, "experiment", "0", ["{}", '{"k":1}']) as store:
                return store.n_done(1)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(make, range(4))) == [0, 0, 0, 0]


def test_one_outcome_is_recorded_once_and_a_failure_gives_way():
    first = [Outcome(0, 0, '{"value": 1.0}', 1.0, ""), Outcome(0, 1, None, None, "its worker died", True)]
    second = [Outcome(0, 0, '{"value": 2.0}', 1.0, ""), Outcome(0, 1, '{"value": 3.0}', 1.0, "")]
    with Store(None, "experiment", "0", ["{}", '{"k":1}']) as store:
        store.record(first)
        assert store.done(0, 2) == {0} and store.done(1, 2) == set() and store.n_done(2) == 1
        store.record(second)
        assert [(row.number, row.values, row.failure) for row in store.rows(5)] == [
            (0, {"value": 1.0}, ""),
            (1, {"value": 3.0}, ""),
        ]
        assert store.n_done(1) == 1 and [row.number for row in store.rows(1)] == [0]


def spoil(path, how):
    if how == "text":
        path.write_text("This is no database, but it is longer than a hundred characters. " * 100)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-5000])
    else:
        content = bytearray(path.read_bytes())
        content[5000:9000] = b"\x55" * 4000
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["text", "cut", "overwritten"])
def test_a_damaged_store_is_left_as_it_is(how, tmp_path):
    path, grid = tmp_path / "trials", {"center": range(10), "scale": [1]}
    run(sweep_trials.normal, grid, 30, store=path)
    spoil(path, how)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"the store {path} is damaged .* left as it is: put a copy back, or move it"):
        run(sweep_trials.normal, grid, 60, store=path)
    assert path.read_bytes() == before


def test_another_database_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    query(path, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="is a database, but not a store of trials"):
        run(sweep_trials.normal, {"center": [0], "scale": [1]}, store=path)


def test_a_store_in_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened for writing"):
        run(sweep_trials.normal, {"center": [0], "scale": [1]}, store=tmp_path / "missing" / "trials")


def assert_all_is_kept(path, sweep_on):
    """After a disk was full: what was recorded is whole, and is there again when the sweep goes on."""
    trials = 'SELECT point, number, "values", seconds FROM trials'
    kept = query(path, trials)
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    result = sweep_on()
    after = query(path, trials)
    assert 0 < len(kept) < len(after) == len(result.rows) and set(kept) < set(after)


def test_a_file_that_cannot_grow_stops_the_sweep_with_what_it_holds(tmp_path, monkeypatch):
    path, open_store = tmp_path / "trials", Store._open

    def small(self):
        open_store(self)
        self._pragma("max_page_count = 40")

    grid = {"center": range(100), "scale": [1]}
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_open", small)
        with pytest.raises(StoreError, match=f"the store {path} cannot grow .* what it holds stays, so make room"):
            run(sweep_trials.normal, grid, 30, store=path)
    assert_all_is_kept(path, lambda: run(sweep_trials.normal, grid, 30, store=path))


@contextmanager
def small_disk(folder):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs more rights")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system in memory")
@compiled
def test_a_full_disk_stops_the_sweep_with_what_it_holds(tmp_path):
    grid, folder = {"center": range(100), "scale": [1]}, tmp_path / "disk"
    with small_disk(folder):
        path = folder / "trials"
        with pytest.raises(StoreError, match="cannot grow .* make room and call again"):
            run(sweep_trials.normal, grid, 100, store=path)
        subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)
        assert_all_is_kept(path, lambda: run(sweep_trials.normal, grid, 100, store=path))


# Many trials ----------------------------------------------------------------------------------------------------------

MANY = """
import resource, sys
sys.path.insert(0, {tests!r})
import sweep_trials
from aedyn.sweeps import sweep

def used(n_trials):
    grid = dict(p=[i / 100 for i in range(100)])
    table = sweep(sweep_trials.coin, grid, n_trials // 100, 0, engine="serial", progress=False, store={store!r})
    assert len(table.rows) == n_trials
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

few = used(5_000)
print(used(100_000) - few)
"""


@compiled
def test_memory_grows_by_the_table_alone(tmp_path):
    script = MANY.format(tests=str(Path(__file__).parent), store=str(tmp_path / "trials"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100, "MB; the rows as Python objects would take several times as much"
