"""Every refusal has a documented code, and every code is used."""

import ast
from pathlib import Path

import clearlung
from clearlung.ct import REJECTION_CODES

SOURCES = sorted(Path(clearlung.__file__).parent.rglob("*.py"))


def codes_raised():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ScanRejected":
                if isinstance(node.args[0], ast.Starred):  # carried over from the child process as it was
                    continue
                yield path.name, node.args[0]


def strings(node):
    """The strings that an expression may be: a literal, or a choice of literals."""
    if isinstance(node, ast.IfExp):
        return strings(node.body) | strings(node.orelse)
    assert isinstance(node, ast.Constant), ast.dump(node)
    return {node.value}


def test_every_code_raised_is_documented():
    raised = list(codes_raised())
    assert len(raised) > 40
    for name, node in raised:
        assert strings(node) <= set(REJECTION_CODES), name


def test_every_code_of_reading_is_raised():
    used = set().union(*(strings(node) for _, node in codes_raised()))
    assert set(REJECTION_CODES) - used <= {"no_lungs"}  # anatomy's
