"""Command line: ``python -m aedyn sweep code_consistency --scale 4`` reruns the sweeps of a chapter."""

import argparse
import importlib
import pkgutil
from pathlib import Path

from platformdirs import user_data_path

import aedyn
from aedyn._experiments import points

SUFFIX = "_sweeps"
SWEEP_HELP = (
    "Run the sweeps of a chapter, or go on where they were stopped, and write tables that the chapter can read."
)


def main(arguments=None):
    """Run what the command line asks for."""
    given = _parser().parse_args(arguments)
    offered = _offered()
    if given.list:
        for name, plan in offered.items():
            print(f"{name}: {_size(plan)}\n    {plan.experiment.__doc__.splitlines()[0]}")
        return
    names = _choose(given.sweep, offered)
    store = given.store or user_data_path("aedyn", appauthor=False, ensure_exists=True) / "trials.sqlite"
    given.out.mkdir(parents=True, exist_ok=True)
    written = {}
    for name in names:
        result = offered[name].run(
            given.scale,
            n_trials=given.trials,
            seed=given.seed,
            engine=given.engine,
            n_workers=given.workers,
            scheduler=given.scheduler,
            store=store,
        )
        out = given.out.resolve() / f"{name}.csv"
        result.write(out)
        print(f"{len(result.rows)} trials in {out}, {len(result.failures)} of them failed")
        written[name.split(".")[1]] = str(out)
    print(f"the store is {store}; for the chapter: tables = {written}")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m aedyn", description="What gradient descent does to autoencoders.")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("sweep", help="rerun the sweeps of a chapter", description=SWEEP_HELP)
    command.add_argument("sweep", nargs="?", help="chapter, for all sweeps that it has, or chapter.sweep for one")
    command.add_argument("--list", action="store_true", help="show the sweeps there are")
    command.add_argument("--scale", type=float, default=1, help="factor on the resolution of the grid")
    command.add_argument("--trials", type=int, help="trials at each point, when not as many as in the chapter")
    command.add_argument("--seed", type=int, help="another seed than that of the chapter")
    command.add_argument("--engine", choices=["processes", "serial", "dask"], default="processes")
    command.add_argument("--workers", type=int, help="processes on this machine; one for each processor otherwise")
    command.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786")
    command.add_argument("--store", type=Path, help="SQLite file for finished trials; one in your home otherwise")
    command.add_argument("--out", type=Path, default=Path(), help="folder for the tables, chapter.sweep.csv; this one")
    return parser


def _offered():
    """Plans by name, such as code_consistency.window."""
    stems = (module.name for module in pkgutil.iter_modules(aedyn.__path__) if module.name.endswith(SUFFIX))
    return {
        f"{stem.removesuffix(SUFFIX)}.{name}": plan
        for stem in stems
        for name, plan in importlib.import_module(f"aedyn.{stem}").SWEEPS.items()
    }


def _size(plan):
    """What it goes over, and how many trials it has at scale 1."""
    found = points(plan.grid(1), plan.fixed, plan.experiment)
    names = dict.fromkeys(name for point in found for name in point)
    axes = [name for name in names if len({point.get(name) for point in found}) > 1]
    return f"{len(found) * plan.n_trials:,} trials over {', '.join(axes)}"


def _choose(asked, offered):
    names = [name for name in offered if asked in (name, name.split(".")[0])]
    if not names:
        raise SystemExit(f"name a chapter or sweep of {', '.join(offered)}; got {asked}")
    return names


if __name__ == "__main__":
    main()
