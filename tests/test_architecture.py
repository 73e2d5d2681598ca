"""The street is one way: who may import whom, and that what a package hands out is documented."""

import ast
import importlib
import inspect
import pkgutil
from itertools import pairwise
from pathlib import Path

import pytest

import clearlung

SOURCE = Path(clearlung.__file__).parent
GROUND = {"clearlung", "errors", "atomic", "programs"}
# Each package, and the packages below it that it may import; the ground floor is open to all.
STREET = {
    "evidence": set(),
    "ct": {"evidence"},
    "anatomy": {"evidence", "ct"},
    "nodules": {"evidence", "ct", "anatomy"},
    "phantom": {"evidence", "ct", "anatomy", "nodules"},
    "followup": {"evidence", "ct", "anatomy", "nodules"},
    "resection": {"evidence", "ct", "anatomy", "nodules", "followup"},
    "perfusion": {"evidence", "ct", "anatomy", "nodules", "followup", "resection"},
    "staging": {"evidence", "ct", "anatomy", "nodules", "followup", "resection", "perfusion"},
    "casefile": {"evidence", "ct", "anatomy", "nodules", "followup", "resection", "perfusion", "staging"},
}
ENDS = {"report", "web", "exchange"}
# Modules beside the packages that the ends of the street may use too.
SERVICES = {"manifest", "progress"}
PACKAGES = {module.name for module in pkgutil.iter_modules([str(SOURCE)]) if module.ispkg}


def imports(file):
    """Dotted names of what a file imports from Clearlung, also where only the type checker sees it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the street"
            whole = node.module == "clearlung"
            names = [f"clearlung.{alias.name}" for alias in node.names] if whole else [node.module]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "clearlung")


def places(package):
    for file in sorted((SOURCE / package).rglob("*.py")):
        for name in imports(file):
            part = name.split(".")[1]
            yield (
                file,
                name,
                part if (SOURCE / part).is_dir() or (SOURCE / f"{part}.py").is_file() else "clearlung",
            )


def test_every_package_has_its_place_on_the_street():
    assert set(STREET) | ENDS == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_package_imports_one_that_comes_after_it(package):
    allowed = STREET.get(package, set(STREET) - {"phantom"} | SERVICES) | GROUND | {package}
    for file, name, part in places(package):
        assert part in allowed, f"{file.relative_to(SOURCE)} imports {name}"


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_packages_use_each_other_by_their_public_names(package):
    for file, name, part in places(package):
        inside = part in PACKAGES - {package} and name.count(".") > 1
        assert not inside, f"{file.relative_to(SOURCE)} reaches into {name}"


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_every_public_name_is_documented(package):
    module = importlib.import_module(f"clearlung.{package}")
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    documented = documented_assignments(package)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(inspect.unwrap(thing)):
            words = inspect.getdoc(thing) or f"{name}("
            # A dataclass without words gets its signature as a docstring.
            assert not words.startswith(f"{name}("), f"clearlung.{package}.{name} has no docstring"
        else:
            assert name in documented, f"clearlung.{package}.{name} has no words below it"


def documented_assignments(package):
    """Names assigned at the top of a package's files with a string below them that says what they are."""
    found = set()
    for file in (SOURCE / package).rglob("*.py"):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for node, following in pairwise(body):
            is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if is_text and isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found
