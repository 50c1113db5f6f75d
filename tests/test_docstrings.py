"""Docstrings: everything public has one, and its parameters are those of the signature."""

import ast
import importlib
import inspect
import pkgutil
from dataclasses import fields, is_dataclass

import pytest
from numpydoc.docscrape import NumpyDocString

import aedyn

# One line says it all, or points to where the parameters are described
BRIEF = {
    "activations.HardThreshold.derivative",
    "activations.ReLU.derivative",
    "claims.Statement.expected",
    "code_consistency.Interval",
    "code_consistency.Recovery.confidence",
    "code_consistency.hadamard_idle_failure_exact",
    "code_consistency.lower_end_example",
    "code_consistency.noise_failure",
    "code_consistency.noise_level",
    "code_consistency.printed_interval",
    "code_consistency.threshold_margin",
    "code_consistency.upper_end_example",
    "dictionaries.welch_bound",
    "optimizers.constant_bias",
    "optimizers.shrinking_bias",
}


def public(namespace):
    return ((name, value) for name, value in vars(namespace).items() if not name.startswith("_"))


def objects():
    """Public functions, classes, methods and properties of the public modules, by their dotted name."""
    found = {}
    for module_name in (module.name for module in pkgutil.iter_modules(aedyn.__path__) if module.name[0] != "_"):
        module = importlib.import_module(f"aedyn.{module_name}")
        for name, value in public(module):
            # a compiled function keeps the Python it was made from, a cached one too
            value = inspect.unwrap(getattr(value, "py_func", value))
            if getattr(value, "__module__", "") != module.__name__ or not callable(value):
                continue
            found[f"{module_name}.{name}"] = value
            if inspect.isclass(value):
                members = (
                    (n, member) for n, member in public(value) if callable(member) or isinstance(member, property)
                )
                found |= {f"{module_name}.{name}.{n}": member for n, member in members}
    return found


OBJECTS = objects()
REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def signature(value):
    """Parameters by name, without `self` and without those that take whatever is left."""
    if isinstance(value, property) or (inspect.isclass(value) and issubclass(value, Exception)):
        return {}
    parameters = inspect.signature(value).parameters
    return {name: p for name, p in parameters.items() if name != "self" and p.kind not in REST}


def documented(value):
    """Descriptions of parameters by name; those of a record are its attributes."""
    text = NumpyDocString(inspect.getdoc(value))
    entries = text["Parameters"] or (text["Attributes"] if inspect.isclass(value) else [])
    return [(name.strip(), entry.type) for entry in entries for name in entry.name.split(",")]


def test_objects_are_found():
    assert {"dictionaries.coherence", "generative.NonnegativeSparse.kappa1", "claims.register"} <= set(OBJECTS)
    assert "autoencoder.Gradient" in OBJECTS and len(OBJECTS) > 60


@pytest.mark.parametrize("name", OBJECTS)
def test_documented(name):
    summary = " ".join(NumpyDocString(inspect.getdoc(OBJECTS[name]) or "")["Summary"])
    assert summary.strip(), "it has no docstring, or one without a summary"
    assert not is_dataclass(OBJECTS[name]) or not summary.startswith(f"{OBJECTS[name].__name__}("), "made by dataclass"


@pytest.mark.parametrize("name", sorted(set(OBJECTS) - BRIEF))
def test_parameters_are_those_of_the_signature(name):
    value = OBJECTS[name]
    assert sorted(name for name, _ in documented(value)) == sorted(signature(value))


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_optional_parameters_have_a_default(name):
    for parameter, kind in documented(OBJECTS[name]):
        if "optional" in kind:
            assert signature(OBJECTS[name])[parameter].default is None
        if kind.startswith("{"):
            assert signature(OBJECTS[name])[parameter].default in ast.literal_eval(kind)


@pytest.mark.parametrize("name", sorted(BRIEF))
def test_exceptions_are_needed(name):
    assert name in OBJECTS, "nothing has this name"
    assert signature(OBJECTS[name]) and not documented(OBJECTS[name]), "it describes its parameters, or has none"


def test_a_difference_would_be_noticed():
    def wrong(a, b):
        """Something.

        Parameters
        ----------
        a, c : int
        """

    assert [name for name, _ in documented(wrong)] == ["a", "c"]
    assert list(signature(wrong)) == ["a", "b"]


def test_records_describe_all_their_fields():
    records = [value for value in OBJECTS.values() if inspect.isclass(value) and is_dataclass(value)]
    assert len(records) >= 10
    for value in records:
        assert {field.name for field in fields(value)} == {name for name, _ in documented(value)}
