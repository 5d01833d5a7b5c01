"""Imports point down."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "cifar_mlp"

# From the top of the house to its ground; a module imports only from lines below its own (or within a * line).
HOUSE = """
    __main__ benchmarks.*
    sweep.ending
    sweep.search
    sweep.samplers sweep.table sweep.worker
    sweep.places sweep.process
    sweep.card sweep.stale sweep.storage
    sweep.space
    results_text
    reproduction.*
    evaluation
    album runs
    cli
    cards checkpoint parser lean_loop precision
    views messages quiet lean_optimizer
    callbacks.*
    pictures.*
    data.datamodule
    models.__init__
    models.handwritten
    models.classifier
    data.image_files data.sources data.fitting
    data.digits
    data.cifar
    data.download data.cache data.loader data.preprocessing data.splits
    data.pca_fit data.pca
    models.recipes models.mlp models.training_mean
    models.affine models.initialization
    targets_text
    performance_text parity_text measured_files
    results report_figures
    provenance seeds
    parity.*
    machine files allocator leaving
    data.__init__ callbacks.__init__ pictures.__init__ reproduction.__init__ sweep.__init__ __init__
"""
RANKS = {name: rank for rank, line in enumerate(HOUSE.split("\n")) for name in line.split()}
MODULES = sorted(str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".") for path in PACKAGE.rglob("*.py"))


def rank_of(module: str) -> int:
    return RANKS.get(module, RANKS.get(f"{module.split('.')[0]}.*", -1))


def imports(module: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / (module.replace(".", "/") + ".py")).read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= set(names)
    return found


def as_module(name: str) -> str:
    """The module of this package that ``cifar_mlp.x.y.Name`` lies in."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in MODULES:
        if ".".join([*parts, "__init__"]) in MODULES:
            return ".".join([*parts, "__init__"])
        parts.pop()
    return ".".join(parts) or "__init__"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str):
    assert rank_of(module) >= 0, f"{module} has no place in the house"
    for name in imports(module):
        if not name.startswith("cifar_mlp"):
            continue
        target = as_module(name)
        together = module.split(".")[0] == target.split(".")[0] and module not in RANKS and target not in RANKS
        assert together or rank_of(target) > rank_of(module), f"{module} imports {target}, which is above it"


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if name.startswith("parity.") or name in ("models.mlp", "data.pca", "data.pca_fit")],
)
def test_the_mathematics_outlives_any_trainer(module: str):
    allowed = {"torch", "numpy", "scipy", "sklearn", "cifar_mlp", "__future__"}
    standard = __import__("sys").stdlib_module_names
    shows = {"matplotlib", "rich"} if module in ("parity.evidence.plot", "parity.evidence.report") else set()
    for name in imports(module):
        top = name.split(".")[0]
        assert top in allowed | shows or top in standard, f"{module} imports {top}"
        if module.startswith("parity."):
            assert not name.startswith(("cifar_mlp.data", "cifar_mlp.models")), f"{module} imports {name}"
