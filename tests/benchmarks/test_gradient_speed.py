"""The speed benchmark measures what it says; no test asserts a speed."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from cifar_mlp.benchmarks import gradient_speed as speed
from cifar_mlp.benchmarks.gradient_speed import BASELINE, HAND, benchmark
from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence.cases import drawn

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("script_benchmark", ROOT / "scripts" / "benchmark.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(speed, "SECONDS_A_ROUND", 0.0)


def test_every_candidate_is_timed_and_traced():
    timings, absent = benchmark(("13-9-4:6",), rounds=3, with_compile=False)

    assert absent == []
    assert [entry.candidate for entry in timings] == [BASELINE, HAND, "NumPy"]
    assert timings[0].speed == 1
    for entry in timings:
        assert entry.milliseconds > 0
        assert entry.speed_range[0] <= entry.speed_quartiles[0] <= entry.speed <= entry.speed_quartiles[1]
        assert entry.peak_bytes > 0


@pytest.mark.parametrize("size", [(510, 600, 10, 200), (3072, 2048, 10, 200)], ids=str)
@pytest.mark.parametrize("regularization", [0.0, 1e-3])
def test_hand_derived_gradients_allocate_no_more_than_autograd(size, regularization):
    case = drawn("memory", *size, seed=0, regularization=regularization).to("cpu", torch.float32)
    candidates = dict(speed._candidates(case))

    (total, peak), (our_total, our_peak) = (speed._memory(candidates[name], "cpu") for name in (BASELINE, HAND))

    gradients = 4 * sum(parameter.numel() for parameter in case.parameters)
    assert gradients <= our_total <= total  # at least: the tracing saw them
    assert our_peak <= peak


def test_no_candidate_computes_the_gradient_in_the_inputs():
    case = drawn("inputs", 7, 5, 3, 4, seed=0).to("cpu", torch.float32)
    shapes = [parameter.shape for parameter in case.parameters]

    for candidate in dict(speed._candidates(case)).values():
        _, gradients = candidate()
        assert [gradient.shape for gradient in gradients] == shapes
    assert not case.inputs.requires_grad


def test_candidates_that_differ_are_not_timed(monkeypatch, script, capsys):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(b2=gradients.b2 * 1.001)

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)

    with pytest.raises(RuntimeError, match="hand-derived and autograd, eager differ on b2"):
        benchmark(("13-9-4:6",), rounds=1, with_compile=False)
    assert script.main(["parity", "--sizes", "13-9-4:6", "--no-compile"]) == 1
    assert "differ on b2" in capsys.readouterr().err


def test_without_a_compiler_the_rest_still_runs(monkeypatch):
    def broken(function):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    timings, absent = benchmark(("13-9-4:6",), rounds=1)

    assert len(timings) == 3
    assert absent == ["13-9-4:6: torch.compile not run (RuntimeError)"]


def test_script_writes_its_report(script, tmp_path, capsys):
    arguments = ["parity", "--sizes", "13-9-4:6", "--rounds", "2", "--no-compile", "--output", str(tmp_path)]

    assert script.main(arguments) == 0
    assert HAND in capsys.readouterr().out
    document = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert document["baseline"] == BASELINE
    assert document["environment"]["torch"] == torch.__version__
    assert len(document["timings"]) == 3
    assert document["environment"]["fp32_precision"]["torch.backends.cuda.matmul.fp32_precision"] == "ieee"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU on this machine")
def test_an_absent_gpu_is_not_run(script, capsys):
    assert script.main(["parity", "--device", "cuda"]) == 0
    assert capsys.readouterr().out.strip() == "cuda: not run (no NVIDIA GPU on this machine)"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--sizes", "9-9-2"], "equal dimensions"), (["--rounds", "0"], "--rounds must be at least 1")],
)
def test_a_bad_option_is_one_line_and_exit_code_2(script, capsys, arguments, words):
    assert script.main(["parity", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("benchmark.py: ")
    assert complaint.count("\n") == 1
    assert words in complaint
