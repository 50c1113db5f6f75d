"""Tables of trials: from recorded rows to a data frame, and from there to a file and back, bit by bit."""

import json
from pathlib import Path

import numpy as np

CHUNK = 50_000  # rows that are Python objects at a time


def collect(recorded, points):
    """Recorded rows as a data frame, with the names of the parameters and of the columns of values.

    Parameters
    ----------
    recorded : iterable of _store.Row
    points : list of dict

    Returns
    -------
    rows : pandas.DataFrame
    parameters, values : tuple of str
    """
    import pandas as pd

    parameters = tuple(dict.fromkeys(name for point in points for name in point))
    position, number, seconds, failures, frames, chunk, texts = [], [], [], [], [], [], {}
    for row in recorded:
        position.append(row.position)
        number.append(row.number)
        seconds.append(np.nan if row.seconds is None else row.seconds)
        failures.append(texts.setdefault(row.failure, row.failure))
        chunk.append(row.values)
        if len(chunk) == CHUNK:
            frames.append(pd.DataFrame.from_records(chunk))
            chunk = []
    frames.append(pd.DataFrame.from_records(chunk, index=range(len(chunk))))
    measured = pd.concat(frames, ignore_index=True)
    for name in measured:
        if measured[name].dtype == object:
            measured[name] = measured[name].astype(float)
    axes = {name: _axis([point.get(name) for point in points]).take(position) for name in parameters}
    rows = pd.DataFrame({name: axis.reset_index(drop=True) for name, axis in axes.items()} | {"trial": number})
    rows = pd.concat([rows, measured], axis=1)
    rows["seconds"] = seconds
    rows["failure"] = pd.Series(failures, dtype="str", index=rows.index)
    return rows, parameters, tuple(measured)


def _axis(values):
    import pandas as pd

    types = set(map(type, values))
    return pd.Series(values, dtype=None if types <= {int, float} or types in ({bool}, {str}) else object)


def write(path, rows, about):
    """Write a table as CSV, below a first line that says as JSON what it is; there is no unfinished file of this name.

    Parameters
    ----------
    path : str or Path
    rows : pandas.DataFrame
    about : dict
    """
    rows = rows.copy(deep=False)
    dtypes = {name: _dtype_name(rows[name].dtype) for name in rows}
    for name in rows:
        if dtypes[name] == "json":
            rows[name] = rows[name].map(json.dumps)
    unfinished = Path(f"{path}.part")
    with open(unfinished, "w", encoding="utf-8", newline="") as file:
        file.write(f"# {json.dumps(about | {'dtypes': dtypes})}\n")
        rows.to_csv(file, index=False, na_rep="nan")
    unfinished.replace(path)


def read(path):
    """What `write` was given.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    rows : pandas.DataFrame
    about : dict

    Raises
    ------
    ValueError
        When the first line is not as it should be.
    """
    import pandas as pd

    with open(path, encoding="utf-8") as file:
        first = file.readline()
        try:
            about = json.loads(first.removeprefix("# "))
            dtypes = about.pop("dtypes")
        except (ValueError, KeyError, AttributeError):
            raise ValueError(f"{path} is not the table of a sweep; its first line is {first[:60]!r}") from None
        rows = pd.read_csv(file, dtype="str", na_filter=False)
    for name, dtype in dtypes.items():
        if dtype == "json":
            rows[name] = pd.Series([_tuples(json.loads(text)) for text in rows[name]], dtype=object)
        else:
            rows[name] = rows[name] == "True" if dtype == "bool" else rows[name].astype(dtype)
    return rows, about


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _dtype_name(dtype):
    return "json" if dtype.name == "object" else dtype.name if dtype.kind in "bif" else "str"
