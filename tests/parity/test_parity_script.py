"""scripts/parity.py: exit codes, the tensor named, the files written."""

import importlib.util
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from cifar_mlp.common.provenance import commit, environment
from cifar_mlp.parity import layers, two_layer
from cifar_mlp.parity.check.folder import Judgement
from cifar_mlp.parity.compare import Evidence, NotRun, compare
from cifar_mlp.parity.evidence.rows import Row
from cifar_mlp.parity.faults import FAULTS, planted
from cifar_mlp.reports.parity_report import as_document, as_markdown, headline

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("script_parity", ROOT / "scripts" / "parity.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_toy(script, tmp_path, capsys):
    assert script.main(["toy", "--figure", str(tmp_path / "figures" / "loss.png")]) == 0

    printed = capsys.readouterr().out
    assert "3.440708e-09" in printed
    assert "MISSED" not in printed
    assert (tmp_path / "figures" / "loss.png").read_bytes().startswith(PNG)


def test_toy_misses_a_number(script, tmp_path, capsys):
    with planted("penalty missing from the loss"):
        assert script.main(["toy", "--figure", str(tmp_path / "loss.png")]) == 1
    assert "parity.py: missed: loss, difference" in capsys.readouterr().err


def test_compare_writes_everything(script, tmp_path, capsys):
    out = tmp_path / "report"
    assert script.main(["compare", "--sizes", "toy", "13-9-4:1", "--tf32", "--output", str(out)]) == 0

    printed = capsys.readouterr().out
    assert "16 of 16 cases within tolerance" in printed
    runs = sum(len(fault.dtypes) for fault in FAULTS.values())
    assert f"{len(FAULTS)} planted faults caught in {runs} of {runs} runs" in printed
    if not torch.cuda.is_available():
        assert "cuda: not run (no NVIDIA GPU on this machine)" in printed
    assert sorted(path.name for path in out.iterdir()) == ["parity.json", "parity.md", "parity.png"]
    assert (out / "parity.png").read_bytes().startswith(PNG)
    page = (out / "parity.md").read_text(encoding="utf-8")
    assert "| relu | mask skipped; mask inverted | 2 of 2 | 2 of 2 | 2 of 2 | 2 of 2 |" in page

    document = json.loads((out / "parity.json").read_text(encoding="utf-8"))
    assert document["schema_version"] == 4
    assert document["failures"] == []
    assert document["arguments"]["sizes"] == ["toy", "13-9-4:1"]
    assert document["environment"]["fp32_precision"]["torch.get_float32_matmul_precision"] == "highest"
    row = next(row for row in document["rows"] if row["witness"] == "hand: TF32, simulated")
    assert row["verdict"] == "shown"
    (skipped,) = (row for row in document["rows"] if row["witness"] == "mask skipped")
    assert skipped["dtype"] == "float64 float32 bfloat16 float16"
    assert {name for row in document["rows"] for name in row} == {field.name for field in fields(Row)} - {"reason"}


def test_a_failure_names_its_tensor(script, capsys, monkeypatch):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(b1=gradients.b1 * 1.001)

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)

    assert script.main(["compare", "--devices", "cpu", "--dtypes", "float64", "--sizes", "toy"]) == 1
    failed = [line for line in capsys.readouterr().err.splitlines() if "failed: " in line]
    assert (
        "parity.py: failed: b1: normwise error 1.0e-03 exceeds 1e-12 (hand: loss_and_gradients, toy, cpu float64)"
        in failed
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--devices", "tpu"], "invalid choice: 'tpu'"),
        (["compare", "--sizes", "7-7-2"], "--sizes: '7-7-2' (batch 200) has equal dimensions"),
        (["compare", "--sizes", "many"], "--sizes: 'many' is neither toy nor"),
        (["compare", "--seed", "one"], "invalid int value: 'one'"),
        (["compare", "--seed", "-1"], "--seed"),
        (["check", "homework.py", "--sizes", "11-8"], "--sizes: '11-8' is not D-H-C:N"),
        (["check", "."], "--csv: a folder needs it"),
        (["check", "homework.py", "--csv", "out.csv"], "--csv: needs a folder, homework.py is none"),
        ([], "required: job"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(script, capsys, arguments, words):
    try:
        code = script.main(arguments)
    except SystemExit as stop:
        code = stop.code

    assert code == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("parity.py: ")
    assert complaint.count("\n") == 1
    assert words in complaint


def test_numbers_that_are_not_finite_are_valid_json(monkeypatch):
    monkeypatch.setattr(layers, "relu_forward", lambda x, out=None: torch.full_like(x, float("nan")))
    found = compare(("cpu",), ("float64",), ("toy",), training_steps=2)
    document = json.loads(json.dumps(as_document(found, environment(("cpu",), 0), {}), allow_nan=False))

    assert any(row.get("normwise_error") == "NaN" for row in document["rows"])


def test_failures_missed_faults_and_absent_devices_are_on_the_page():
    passed = Row("toy", "hand: forward", "cpu", "float64", "scores", "pass", normwise_error=1e-16, share=0.25)
    failed = replace(passed, tensor="w1", verdict="FAIL", reason="not finite", share=None)
    caught = Row("planted fault", "mask skipped", "cpu", "float64", "dz2", "pass")
    missed = replace(caught, dtype="float32", verdict="FAIL", reason="missed in every case")
    found = Evidence([passed, failed, caught, missed], [NotRun("cuda", "no NVIDIA GPU on this machine")])
    page = as_markdown(found, environment(("cpu",), 0), "parity.png")

    assert headline(found) == "2 of 4 checks failed; 1 planted faults caught in 1 of 2 runs; not run: cuda"
    assert "- w1: not finite (hand: forward, toy, cpu float64)\n" in page
    assert "| toy | FAIL w1 |\n" in page
    assert "| relu | mask skipped | 1 of 1 | 0 of 1 |\n" in page
    assert "- dz2: missed in every case (mask skipped, planted fault, cpu float32)\n" in page
    assert "- cuda: not run (no NVIDIA GPU on this machine)\n" in page
    assert headline(Evidence([passed, caught])) == (
        "1 of 1 cases within tolerance (worst error: 25 % of its tolerance); 1 planted faults caught in 1 of 1 runs"
    )


def test_an_absent_device_is_not_run_and_never_passed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = compare(devices=("cuda",), sizes=(), training_steps=0)

    assert found.not_run == [NotRun("cuda", "no NVIDIA GPU on this machine")]
    assert not any(row.device == "cuda" for row in found.rows)
    assert headline(found).endswith("; not run: cuda")


def test_an_empty_comparison_is_not_called_a_success():
    assert headline(Evidence()) == "nothing was compared"


def test_no_commit_outside_a_repository(monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert commit() is None


@pytest.mark.parametrize(("verdict", "code"), [("right", 0), ("another function", 0), ("wrong", 1), ("unusable", 2)])
def test_check_answers_by_its_exit_code(script, capsys, monkeypatch, verdict, code):
    outcome = Judgement(Path("homework.py"), verdict, "", "", "the report")
    monkeypatch.setattr(script, "check_apart", lambda *_: iter([outcome]))
    assert script.main(["check", "homework.py:mine", "--sizes", "11-8-5:57"]) == code
    printed = capsys.readouterr()
    assert (printed.err if code == 2 else printed.out) == "the report\n"
