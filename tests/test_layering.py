"""Imports point down, and nothing imports in a circle."""

import ast
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "cifar_mlp"

# From the roof to the ground: a module imports from its own room and from those below it.
LABORATORY = ["benchmarks", "reports", "demo", "studies", "reproduction", "sweep"]
CORE = ["cli", "export", "training", "callbacks", "models", "data", "pictures", "parity", "common"]
ROOMS = ["__main__", *LABORATORY, *CORE]
# What outlives any trainer needs no package but these.
WITHOUT_LIGHTNING = ["parity/", "pictures/", "models/mlp.py", "models/initialization.py", "data/pca"]
TENSORS = {"torch", "numpy", "scipy", "sklearn", "threadpoolctl", "matplotlib", "PIL", "rich", "cifar_mlp"}


def parse(path: Path) -> list[str]:
    """Every name that a file imports, with its module's path."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def module_of(name: str, modules: set[str]) -> str | None:
    """The module of this package that ``cifar_mlp.x.y.Name`` is in."""
    parts = name.split(".")
    while parts and ".".join(parts) not in modules:
        parts.pop()
    return ".".join(parts) or None


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTS = {
    name: {found for imported in parse(path) if (found := module_of(imported, set(FILES))) not in (None, name)}
    for name, path in FILES.items()
}


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_imports_point_down():
    upward = [
        f"{name} imports {imported}"
        for name, found in IMPORTS.items()
        for imported in found - {"cifar_mlp"}
        if name != "cifar_mlp" and ROOMS.index(room_of(imported)) < ROOMS.index(room_of(name))
    ]
    assert not upward
    laboratory = [name for name in FILES if name != "cifar_mlp" and room_of(name) in LABORATORY]
    assert laboratory, "the laboratory has gone, or the rooms have other names"
    bound = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for path in FILES.values()
        if str(path.relative_to(PACKAGE)).startswith(tuple(WITHOUT_LIGHTNING))
        for imported in parse(path)
        if imported.split(".")[0] not in TENSORS | sys.stdlib_module_names
    ]
    assert not bound


def test_nothing_imports_in_a_circle():
    list(TopologicalSorter({name: found - {"cifar_mlp"} for name, found in IMPORTS.items()}).static_order())


def test_no_file_or_class_has_a_name_twice():
    files = [path.name for path in FILES.values() if path.name != "__init__.py"]
    trees = [ast.parse(path.read_text()) for path in FILES.values()]
    classes = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert len(classes) > 100
    assert [name for names in (files, classes) for name, count in Counter(names).items() if count > 1] == []
