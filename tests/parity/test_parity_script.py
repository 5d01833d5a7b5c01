"""scripts/parity.py: exit codes, the tensor named, the files written."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from cifar_mlp.common.provenance import commit
from cifar_mlp.parity import layers, two_layer
from cifar_mlp.parity.compare import compare
from cifar_mlp.parity.evidence.environment import environment
from cifar_mlp.parity.evidence.report import as_dict, headline
from cifar_mlp.parity.evidence.rows import Row
from cifar_mlp.parity.evidence.trajectories import Repeat, Training

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n"


def load(name):
    """Import a script by its path."""
    specification = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    return load("parity")


def test_toy(script, tmp_path, capsys):
    assert script.main(["toy", "--figure", str(tmp_path / "figures" / "loss.png")]) == 0

    printed = capsys.readouterr().out
    assert "3.440708e-09" in printed
    assert "MISSED" not in printed
    assert (tmp_path / "figures" / "loss.png").read_bytes().startswith(PNG)


def test_toy_misses_a_figure(script, tmp_path, capsys, monkeypatch):
    right = layers.l2_penalty_forward
    monkeypatch.setattr(layers, "l2_penalty_forward", lambda *weights: right(*weights) / 2)

    assert script.main(["toy", "--figure", str(tmp_path / "loss.png")]) == 1
    assert "parity.py: missed: loss, difference" in capsys.readouterr().err


def test_compare_writes_everything(script, tmp_path, capsys):
    out = tmp_path / "report"
    assert script.main(["compare", "--sizes", "toy", "13-9-4:1", "--tf32", "--output", str(out)]) == 0

    printed = capsys.readouterr().out
    assert "gates held" in printed
    if not torch.cuda.is_available():
        assert "cuda: not run (no NVIDIA GPU on this machine)" in printed
    assert sorted(path.name for path in out.iterdir()) == ["parity.json", "parity.md", "parity.png"]
    assert (out / "parity.png").read_bytes().startswith(PNG)
    assert "**all" in (out / "parity.md").read_text(encoding="utf-8")

    document = json.loads((out / "parity.json").read_text(encoding="utf-8"))
    assert document["schema_version"] == 1
    assert document["failures"] == []
    assert document["arguments"]["sizes"] == ["toy", "13-9-4:1"]
    assert document["environment"]["fp32_precision"]["torch.get_float32_matmul_precision"] == "highest"
    row = next(row for row in document["rows"] if row["witness"] == "hand: TF32, simulated")
    assert row["verdict"] == "shown"
    assert len(document["trainings"][0]["losses"]) == 100


def test_a_failed_gate_names_its_tensor(script, capsys, monkeypatch):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(b1=gradients.b1 * 1.001)

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)

    assert script.main(["compare", "--devices", "cpu", "--dtypes", "float64", "--sizes", "toy"]) == 1
    failed = [line for line in capsys.readouterr().err.splitlines() if "gate failed" in line]
    assert any(
        line.startswith("parity.py: gate failed: b1: normwise error 1.0e-03 over the limit 1e-12")
        and line.endswith("(hand: loss_and_gradients, toy, cpu float64)")
        for line in failed
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--devices", "tpu"], "invalid choice: 'tpu'"),
        (["compare", "--sizes", "7-7-2"], "--sizes: '7-7-2' (batch 200) has equal dimensions"),
        (["compare", "--sizes", "many"], "--sizes: 'many' is neither toy nor"),
        (["compare", "--seed", "one"], "invalid int value: 'one'"),
        (["compare", "--seed", "-1"], "--seed"),
        ([], "required: job"),
    ],
)
def test_a_bad_option_is_one_line_and_two(script, capsys, arguments, words):
    try:
        code = script.main(arguments)
    except SystemExit as stop:
        code = stop.code

    assert code == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("parity.py: ")
    assert complaint.count("\n") == 1
    assert words in complaint


def test_json_has_no_nan_and_the_schema_names_every_field(monkeypatch):
    monkeypatch.setattr(layers, "relu_forward", lambda x, out=None: torch.full_like(x, float("nan")))
    found = compare(("cpu",), ("float64",), ("toy",), training_steps=2)
    document = json.loads(json.dumps(as_dict(found, environment(("cpu",), 0), {}), allow_nan=False))

    assert any(row["normwise_error"] == "nan" for row in document["rows"])
    schema = (ROOT / "docs" / "parity_schema.md").read_text(encoding="utf-8")
    for record in (Row, Training, Repeat):
        for name in record.__dataclass_fields__:
            assert f"`{name}`" in schema
    for name in (*document, *document["environment"]):
        assert f"`{name}`" in schema


def test_nothing_compared_is_not_called_held():
    found = compare(("cpu",), ("float64",), (), training_steps=0)
    found.rows, found.repeats = [], []

    assert headline(found) == "nothing was compared"


def test_no_commit_outside_a_repository(monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert commit() is None
