"""Measured numbers find their way into the texts; what is missing or broken stops that before anything is written."""

import copy
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cifar_mlp.reports.measured_files import FILES, read_measured
from cifar_mlp.reports.performance_targets import COMPARISONS, targets_text
from cifar_mlp.reports.render import documents

ROOT = Path(__file__).resolve().parents[2]
TRAIN = "docs/performance/train/benchmark.json"
STALE = "configs/report/q3_baseline.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of every text and measured file; one config, an early one, has a block that is out of date."""
    root = tmp_path / "copy"
    texts = [path.relative_to(ROOT) for path in documents(ROOT)]
    for path in (*texts, *(source.path for source in FILES.values())):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    change(root / STALE, "# Here, mean", "# Here, once, mean")
    return root


@pytest.fixture
def script(root: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location("script_render", ROOT / "scripts" / "render_results.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.ROOT = root
    return module


@pytest.fixture
def measured() -> dict[str, Any]:
    return copy.deepcopy(read_measured(ROOT))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit(path: Path, what: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    what(document)
    path.write_text(json.dumps(document))


def content(root: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def complaint(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is said, by a script that stops with 2 and leaves everything as it was."""
    before = content(script.ROOT)
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    assert stopped.value.code == 2
    assert content(script.ROOT) == before
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_what_changed_is_written_and_said_with_its_sources(script, capsys):
    assert script.main(["--check"]) == 1
    assert capsys.readouterr().out == f"{STALE}: differs from docs/results.json\n"
    edit(
        script.ROOT / TRAIN, lambda document: document["implementations"][0].update(seconds=[1.0] * document["rounds"])
    )
    assert script.main([]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{STALE}: written from docs/results.json"
    assert [line.split(":")[0] for line in said[1:]] == ["README.md", "docs/performance.md"]
    assert "docs/record.json, docs/results.json, docs/parity/parity.json, " + TRAIN in said[1]
    assert all(f"docs/performance/{job}/benchmark.json" in said[2] for job in ("train", "pca", "scaling"))
    assert "docs/results.json" not in said[2]
    assert script.main(["--check"]) == 0
    assert "once, mean" not in (script.ROOT / STALE).read_text()


def test_an_accuracy_that_changed_is_noticed(script, capsys):
    def change_one(document: Any) -> None:
        document["runs"][0]["last"]["val/accuracy"] += 0.2

    script.main([])
    assert script.main(["--check"]) == 0
    edit(script.ROOT / "docs" / "results.json", change_one)
    assert script.main(["--check"]) == 1


@pytest.mark.parametrize("source", FILES.values(), ids=lambda source: source.path)
@pytest.mark.parametrize("broken", [None, "", "{", "[]", "{}", "null"], ids=str)
def test_a_measured_file_that_is_missing_or_broken_is_named_with_its_remedy(script, capsys, source, broken):
    path = script.ROOT / source.path
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    said = complaint(script, capsys)
    assert said.startswith(f"render_results.py: {source.path}: ")
    assert said.endswith(f"take it back from git, or measure it: {source.command}")


@pytest.mark.parametrize(
    ("name", "what", "words"),
    [
        ("train", lambda document: document.update(benchmark="pca"), "\"benchmark\" is 'pca', not 'train'"),
        ("train", lambda document: document.update(schema_version=1), '"schema_version" is 1, not 2'),
        ("train", lambda document: document["implementations"].clear(), '"implementations" is no list, or empty'),
        ("train", lambda document: document.update(implementations={"a": 1}), '"implementations" is no list, or empty'),
        ("train", lambda document: document["implementations"][0]["seconds"].pop(), "ValueError"),
        ("train", lambda document: document["implementations"][0].pop("title"), "KeyError: 'title'"),
        ("train", lambda document: document["environment"].update(devices=5), "AttributeError"),
        ("results", lambda document: document.update(schema=1), '"schema" is 1, not 3'),
        ("results", lambda document: document["runs"].append(3), "TypeError"),
        ("evidence", lambda document: document.update(rows=document["rows"][:1]), "KeyError"),
    ],
)
def test_another_jobs_numbers_and_those_that_lack_something_are_refused(script, capsys, name, what, words):
    edit(script.ROOT / FILES[name].path, what)
    said = complaint(script, capsys)
    assert said.startswith(f"render_results.py: {FILES[name].path}: ")
    assert words in said
    assert FILES[name].command in said


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        ("README.md", "<!-- /results -->\n", "", "results:record-line is not closed"),
        ("README.md", "<!-- results:table -->\n", "", "/results closes nothing"),
        ("README.md", "<!-- results:table -->", "<!-- results:tabel -->", "no block results:tabel; there are: "),
        ("docs/log.md", "<!-- results:dropout -->", "<!-- results: -->", "no block results:;"),
        ("docs/log.md", "<!-- /results -->", "", "results:dropout is not closed"),
        (STALE, "# /results", "#", "line 4: results:config is not closed"),
        (STALE, "results:config", "results:table", "line 4: no block results:table; there are: config"),
        (STALE, "model:", "model: [", "while parsing"),
        (STALE, "model:", "day: 2026-13-45\nmodel:", "month must be in 1..12; take it back from git"),
        (STALE, "model:", "day: 2026-11-27\nmodel:", "not JSON serializable; take it back from git"),
    ],
)  # fmt: skip
def test_markers_that_do_not_fit_are_named(script, capsys, path, old, new, words):
    change(script.ROOT / path, old, new)
    said = complaint(script, capsys)
    assert said.startswith(f"render_results.py: {path}")
    assert words in said


@pytest.mark.parametrize("path", ["README.md", "docs/performance.md", STALE])
def test_a_text_that_is_missing_is_named(script, capsys, path):
    (script.ROOT / path).unlink()
    assert complaint(script, capsys) == f"render_results.py: {path}: No such file or directory; take it back from git"


def test_the_help_names_every_text_and_file(script, capsys):
    with pytest.raises(SystemExit):
        script.main(["--help"])
    said = capsys.readouterr().out
    for path in documents(ROOT):
        assert path.name in said or path.parent.name == "report", path
    for name in ("configs/report", "docs/results.json", "docs/parity/", "docs/performance/"):
        assert name in said


def met(documents: dict[str, Any], label: str) -> list[str]:
    (line,) = [line for line in targets_text(documents).splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.split("|")[2:5]]


def test_every_target_is_measured(measured):
    assert "not measured" not in targets_text(measured)  # else its names are not those of the benchmarks


def test_targets_are_compared_with_medians(measured):
    rounds = measured["train"]["rounds"]
    for row in measured["train"]["implementations"]:
        factor = {"plain": 0.96, "sklearn": 1.69, "tutorial": 8.01}.get(row["implementation"], 1.0)
        row["seconds"] = [factor * 2.0**number for number in range(rounds)]
    assert met(measured, "speed / plain loop, components, float32") == ["≥ 1.3", "0.96", "no"]
    assert met(measured, "speed / scikit-learn's MLPClassifier, components, float32") == ["≥ 1.7", "1.69", "no"]
    assert met(measured, "speed / Lightning + torchvision transforms, components, float32") == ["≥ 8", "8.01", "yes"]
    assert met(measured, "speed / plain loop in float32, pixels, bfloat16") == ["", "0.96", ""]
    train = measured["train"]
    others = [row for row in train["implementations"] if row["implementation"] != "jax"]
    (jax,) = [row for row in train["implementations"] if row["implementation"] == "jax"][:1]
    both = [{**jax, "inputs": "pixels", "precision": precision} for precision in ("float32", "bfloat16")]
    train["implementations"] = [*({**row, "seconds": [1.0]} for row in others), *both]
    for row in train["roofline"]:
        row["seconds"] = [0.6]
    for slow, fast in (both, reversed(both)):  # whichever is faster
        slow["seconds"], fast["seconds"] = [1.3], [1.1]
        assert met(measured, "speed / JAX's faster precision, pixels, bfloat16") == ["≥ 1.2", "1.1", "no"]
    for row in measured["scaling"]["points"]:
        row["seconds"].update(ours=[1.0], plain=[0.9 if row["axis"] == "depth" else 0.8])
    assert met(measured, "speed / roofline, pixels, float32") == ["≥ 0.7", "0.6", "no"]
    assert met(measured, "speed / plain loop, softmax regression, float32") == ["≥ 0.9", "0.9", "yes"]
    assert met(measured, "speed / plain loop, batches of 50, float32") == ["≥ 0.9", "0.8", "no"]
    for row in measured["pca"]["solvers"]:
        row["seconds"], row["peak_bytes"] = [1.0, 2.0, 3.0], 5e8
    assert met(measured, "PCA speed / scikit-learn's covariance_eigh, float64") == ["> 1", "1", "no"]
    assert met(measured, "PCA, peak extra memory") == ["< 500 MB", "500 MB", "no"]


def test_what_was_not_run_is_not_measured(measured):
    train = measured["train"]
    train["implementations"] = [row for row in train["implementations"] if row["implementation"] != "plain"]
    measured["pca"]["solvers"] = measured["pca"]["solvers"][:1]
    assert met(measured, "speed / plain loop, pixels, bfloat16") == ["≥ 1.15", "not measured", ""]
    assert met(measured, "PCA speed / scikit-learn's covariance_eigh, float32") == ["> 1", "not measured", ""]


@pytest.mark.parametrize(("sign", "at_the_bound"), [("≥", True), (">", False), ("<", False)])
def test_a_target_says_whether_its_bound_is_enough(sign: str, at_the_bound: bool):
    assert COMPARISONS[sign](2.0, 2.0) is at_the_bound
    assert COMPARISONS[sign](3.0, 2.0) is (sign in "≥>")
