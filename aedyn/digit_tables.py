"""Results of digits as a chapter writes them: names, numbers and tables, and Table 1 of the group-sparse paper."""

import numpy as np

# Table 1, in per cent; the order is that of `digit_clusters.CELLS`
PAPER = {
    "pixels": (54.46, 63.04),
    "sparse codes": (54.14, 55.49, 60.94, 56.98),
    "group-sparse codes": (74.5, 79.4, 80.09, 80.27),
}

STARTS = {
    "communities": "centres of communities",
    "community images": "images of communities",
    "kmeans": "centres of k-means clusters",
    "images": "images",
    "random": "random directions",
}


def describe(recipe):
    """What a recipe says of the mean image, the penalty and the signs of codes.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    str
    """
    step, side = " × step" if recipe.scaled else "", "one" if recipe.nonnegative else "two"
    return f"mean image {'off' if recipe.centred else 'in'}, λ = {recipe.lam:g}{step}, {side}-sided"


def percent(results, method):
    """Accuracies of several results.

    Parameters
    ----------
    results : iterable of digit_study.Result
    method : str
        Name of a partition.

    Returns
    -------
    ndarray, shape (n_results,)
        In per cent.
    """
    return 100 * np.array([result.accuracy[method] for result in results])


def spread(values):
    """Mean of several values as a text, and in brackets the smallest and the largest.

    Parameters
    ----------
    values : ndarray, shape (n_values,)

    Returns
    -------
    str
        A single value has no brackets.
    """
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{values.mean():.1f} ({values.min():.0f}–{values.max():.0f})"


def markdown_table(header, rows):
    """Markdown of a table.

    Parameters
    ----------
    header : str
        What is above the columns, with " | " in between.
    rows : list of list
        What is missing at the end of a row stays empty.

    Returns
    -------
    str
    """
    header = header.split(" | ")
    filled = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [header, ["---"] * len(header), *filled])


def settings_table(results):
    """Markdown of a table of recipes, in which those that differ in the number of epochs only share a row.

    Parameters
    ----------
    results : dict
        Results by recipe. Of those that share a row, the one with the fewest epochs comes first, and the one with the
        most last.

    Returns
    -------
    str
    """
    settings = {}
    for recipe, result in results.items():
        step, side = " s" if recipe.scaled else "", "one" if recipe.nonnegative else "two"
        setting = STARTS[recipe.start], f"{'off' if recipe.centred else 'in'}, {recipe.lam:g}{step}, {side}"
        settings.setdefault(setting, []).append(_measured(recipe, result))
    rows = [
        [*setting, *("→".join(ends) for ends in zip(found[0], found[-1], strict=True))]
        for setting, found in settings.items()
    ]
    header = (
        r"start | setting | epochs | active groups | $\sigma_{\max}^2$ | agreement | modularity | mean accuracy, % | "
        "group, %"
    )
    return markdown_table(header, rows)


def _measured(recipe, result):
    return (
        f"{recipe.n_epochs}",
        f"{result.active_groups:.1f}",
        f"{result.steepness:.1f}",
        f"{result.agreement:.2f}",
        f"{result.modularity:.2f}",
        f"{100 * result.mean_accuracy:.0f}",
        f"{100 * result.accuracy['group']:.0f}",
    )
