"""The package as others install and import it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "cifar_mlp"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Sweeps and export have an extra; the benchmarks skip an implementation that is not installed.
MAY_NEED = {
    "data": {"pyarrow"},
    "export": {"onnx", "onnxruntime", "safetensors"},
    "demo": {"starlette", "uvicorn"},
    "studies": {"optuna"},
    "sweep": {"optuna", "sqlalchemy"},
    "benchmarks": {"skorch", "keras", "jax"},
}


def python(*arguments: str, **options: object) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_no_torch_and_its_names_load_what_they_need():
    code = """
import sys, cifar_mlp
assert "torch" not in sys.modules
assert {*cifar_mlp.__all__} <= {*dir(cifar_mlp)}
assert "torch" not in sys.modules
from cifar_mlp import MLP, PCA, Preprocessing
assert "lightning" not in sys.modules
from cifar_mlp import CIFAR10DataModule, Classifier, MLP, PCA, Preprocessing
print([name for name in cifar_mlp.__all__ if getattr(cifar_mlp, name).__name__ != name])
"""
    assert python("-c", code) == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(ImportError, match="cannot import name 'Clasifier'"):
        from cifar_mlp import Clasifier  # type: ignore[attr-defined]  # noqa: F401


def test_the_version_is_told_without_loading_torch():
    code = "import sys; sys.argv[1:] = ['--version']; from cifar_mlp.__main__ import main; main()"
    assert python("-c", f"{code}; assert 'torch' not in sys.modules") == "cifar-mlp 0.1.0\n"


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"cifar_mlp"}


def test_whatever_the_package_imports_is_a_dependency():
    declared = {re.split(r"[\[<>=]", line)[0].lower() for line in PROJECT["dependencies"]}
    providers = packages_distributions()
    undeclared = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        for name in imported(path) - MAY_NEED.get(path.relative_to(PACKAGE).parts[0], set())
        if not declared & {provider.lower() for provider in providers.get(name, [name])}
    ]
    assert not undeclared
    extras = {re.split(r"[\[<>=]", line)[0] for lines in PROJECT["optional-dependencies"].values() for line in lines}
    assert set().union(*MAY_NEED.values()) - extras == {"sqlalchemy"}, "Optuna brings it; all else needs an extra"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked: built from the source archive, which is built from a copy of this checkout."""
    folder = tmp_path_factory.mktemp("build") / "clone"
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in filter(os.path.lexists, (ROOT / line for line in listed)):
        target = folder / name.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, target, follow_symlinks=False)
    python("-c", "from setuptools import build_meta; build_meta.build_sdist('dist')", cwd=folder)
    (archive,) = folder.glob("dist/*.tar.gz")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    python("-m", "pip", "wheel", *options, "--wheel-dir", "dist", str(archive), cwd=folder)
    (built,) = folder.glob("dist/*.whl")
    ZipFile(built).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_the_package_with_its_configs_and_nothing_else(wheel: Path):
    files = {path.relative_to(wheel) for path in wheel.rglob("*") if path.is_file()}
    assert {path.parts[0] for path in files} == {"cifar_mlp", "cifar_mlp-0.1.0.dist-info"}
    package = {path.relative_to("cifar_mlp") for path in files if path.parts[0] == "cifar_mlp"}
    configs = {Path("configs") / path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    modules = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    checkpoints = {Path("checkpoints", f"small.{suffix}") for suffix in ("ckpt", "json")}
    page = {Path("demo/page", name) for name in ("index.html", "style.css", "demo.js")}
    assert package == {*configs, *modules, *checkpoints, *page, Path("py.typed")}


def test_the_wheel_works_away_from_the_clone(wheel: Path, tmp_path: Path):
    code = "from cifar_mlp.common.configs import find_config; print(find_config('q4_best'))"
    found = python("-c", code, cwd=tmp_path, env={"PYTHONPATH": str(wheel)})
    assert Path(found.strip()).read_text() == (ROOT / "configs" / "report" / "q4_best.yaml").read_text()
    assert not Path(found.strip()).is_symlink()
    assert python("-m", "cifar_mlp", "--version", cwd=tmp_path, env={"PYTHONPATH": str(wheel)}) == "cifar-mlp 0.1.0\n"
