"""What is run: the plain functions and parameters that a sweep takes, and the digests by which it knows them again."""

import dis
import hashlib
import inspect
import itertools
import json
import math
import sys
import sysconfig
import textwrap
import types
from pathlib import Path

import numpy as np

SUMMARY = ("mean", "low", "high", "n_finite", "n_not_finite", "n_failed")
RESERVED = ("rng", "trial", "seconds", "failure", *SUMMARY)
_INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))
_PACKAGE = Path(__file__).parent


def check_experiment(experiment):
    """Refuse all but a plain function of a module or notebook.

    Raises
    ------
    TypeError
    """
    plain = isinstance(experiment, types.FunctionType) and experiment.__name__ == experiment.__qualname__ != "<lambda>"
    if not plain or experiment.__closure__:
        raise TypeError(
            "experiment must be a plain function at the top of a module or notebook cell, "
            f"without lambda, closure or method; got {experiment!r}"
        )


def experiment_digest(experiment):
    """SHA-256 of a function's name and source and of what it uses beside the package and installed modules.

    These are constants, functions and classes of its own module, followed through, and whole files of other modules
    that are not installed.

    Raises
    ------
    TypeError
        When it uses a global that is none of these.
    """
    parts = {}
    _collect(experiment, parts)
    return _sha256(json.dumps([experiment.__name__, sorted(parts.items())])).hexdigest()


def _collect(used, parts):
    """Add to `parts` the source of a function or class, and of what it uses."""
    key = used.__qualname__
    if key in parts:
        return
    try:
        parts[key] = textwrap.dedent(inspect.getsource(used))
    except (OSError, TypeError) as error:
        raise TypeError(
            f"the source of {key} cannot be read, so that changes would go unnoticed: "
            "it must stand in a file or notebook cell"
        ) from error
    home = used.__module__
    if _in_package(sys.modules.get(home)):
        return
    members = vars(used).values() if isinstance(used, type) else [used]
    for function in (member for member in members if isinstance(member, types.FunctionType)):
        found = {name: function.__globals__[name] for name in _global_names(function) if name in function.__globals__}
        if function is used:
            found |= {f"default {i} of {key}": value for i, value in enumerate(function.__defaults__ or ())}
            found |= {f"default {name} of {key}": value for name, value in (function.__kwdefaults__ or {}).items()}
        for name, value in found.items():
            _collect_global(key, name, value, home, parts)


def _collect_global(user, name, value, home, parts):
    if isinstance(value, types.ModuleType):
        _collect_module(value, parts)
        return
    value = inspect.unwrap(getattr(value, "py_func", value))
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type | np.ufunc):
        if value.__module__ == home:
            _collect(value, parts)
        else:
            parts[f"global {name}"] = f"{value.__module__}.{value.__name__}"
            _collect_module(sys.modules.get(value.__module__), parts)
        return
    try:
        parts[f"global {name}"] = json.dumps(value, default=np.generic.item)
    except TypeError:
        raise TypeError(
            f"{user} uses {name}, a {type(value).__name__}, whose changes would go unnoticed: "
            "make it inside, from parameters"
        ) from None


def _collect_module(module, parts):
    """Add a module that is not installed, as its whole file."""
    if module is not None and not _in_package(module) and _is_local(module):
        parts[f"module {module.__name__}"] = _sha256(Path(module.__file__).read_bytes()).hexdigest()


def _is_local(module):
    file = getattr(module, "__file__", None)
    return file is not None and not any(Path(file).is_relative_to(folder) for folder in _INSTALLED)


def _in_package(module):
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(_PACKAGE)


def _global_names(function):
    """Names of globals in its code and in that of the functions within."""
    names, codes = set(), [function.__code__]
    for code in codes:
        names.update(i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")
        codes += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    return sorted(names)


def pickled(experiment):
    """Bytes of a function; with its code, when it is from a module that is not installed and workers may not have."""
    import cloudpickle

    module = sys.modules.get(experiment.__module__)
    if module is None or _in_package(module) or not _is_local(module) or module.__name__ == "__main__":
        return cloudpickle.dumps(experiment)
    cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(experiment)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def points(grid, fixed, experiment):
    """The points of a grid, each a dict of Python's own values.

    Parameters
    ----------
    grid : dict of str to iterable, or iterable of dict
        Values of each parameter, of which the product is taken, the last one fastest; or the points.
    fixed : dict
        Parameters that are the same at all points, and no part of them.
    experiment : callable
        Must take a generator and the parameters of each point.

    Returns
    -------
    list of dict

    Raises
    ------
    TypeError
        When a value is none that JSON knows, or the experiment does not take the parameters.
    ValueError
        When there is no point, or one comes twice, or a name cannot be used.
    """
    if isinstance(grid, dict):
        axes = {name: [plain(name, value) for value in values] for name, values in grid.items()}
        for name, values in axes.items():
            _check_once({name: value} for value in values)
        found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    else:
        found = [{name: plain(name, value) for name, value in point.items()} for point in grid]
        _check_once(found)
    if not found:
        raise ValueError("grid must have a point; got none")
    for names in {tuple(point) for point in found}:
        _check_names(names, fixed, experiment)
    return found


def _check_once(found):
    seen = {}
    for position, point in enumerate(found):
        first = seen.setdefault(_same(point), position)
        if first != position:
            raise ValueError(f"grid must have each value once; those at {first} and {position} are both {point}")


def _check_names(names, fixed, experiment):
    signature = inspect.signature(experiment)
    for name in (*names, *fixed):
        if name in RESERVED or (name in names and name in fixed):
            why = "it has a meaning of its own" if name in RESERVED else "it is fixed as well"
            raise ValueError(f"grid must not have a parameter {name!r}; {why}")
    try:
        signature.bind(None, **dict.fromkeys((*names, *fixed)))
    except TypeError as error:
        raise TypeError(
            f"experiment must take a generator and the parameters {', '.join((*names, *fixed)) or '(none)'}; "
            f"got {experiment.__name__}{signature}: {error}"
        ) from None


def plain(name, value):
    """A parameter's value as Python's own number, string, bool or None, or as a tuple of these.

    Raises
    ------
    TypeError
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return tuple(plain(name, entry) for entry in value)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise TypeError(
        f"parameter {name} must have values that are finite numbers, strings, bools, None or short lists of these; "
        f"got {value!r:.80}"
    )


def canonical(parameters):
    """JSON of parameters, whatever their order."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"))


def stream_key(parameters):
    """Eight words that name the streams of a point; the same for 1 and 1.0, and for any order of the parameters."""
    return tuple(int(word) for word in np.frombuffer(_sha256(_same(parameters)).digest(), ">u4"))


def _same(parameters):
    return canonical({name: _whole(value) for name, value in parameters.items()})


def _whole(value):
    if isinstance(value, tuple):
        return tuple(map(_whole, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sha256(data):
    return hashlib.sha256(data.encode() if isinstance(data, str) else data)
