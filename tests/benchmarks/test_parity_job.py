"""The speed benchmark of the gradients measures what it says; no test asserts a speed."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from cifar_mlp.benchmarks import parity_job
from cifar_mlp.benchmarks.parity_job import BASELINE, HAND, allocated_bytes, candidates_of
from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence.cases import drawn

pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(parity_job, "SECONDS_A_ROUND", 0.0)


def measured(rounds: int, **more: object) -> list[dict]:
    options = Namespace(**{"sizes": ["13-9-4:6"], "rounds": rounds, "device": "cpu", "no_compile": True, **more})
    return list(parity_job.measure(options, Path()))


def test_every_candidate_is_timed_and_traced():
    documents = measured(3)

    assert [document["rounds"] for document in documents] == [1, 2, 3]  # so an interruption keeps complete rounds
    timings = documents[-1]["timings"]
    assert [row["candidate"] for row in timings] == [BASELINE, HAND, "NumPy"]
    assert timings[0]["speed"] == 1
    for row in timings:
        assert row["milliseconds"] > 0
        assert row["speed_quartiles"][0] <= row["speed"] <= row["speed_quartiles"][1]


@pytest.mark.parametrize("size", [(510, 600, 10, 200), (3072, 2048, 10, 200)], ids=str)
@pytest.mark.parametrize("regularization", [0.0, 1e-3])
def test_hand_derived_gradients_allocate_no_more_than_autograd(size, regularization):
    case = drawn("memory", *size, seed=0, regularization=regularization).to("cpu", torch.float32)
    candidates = dict(candidates_of(case))

    gradients = 4 * sum(parameter.numel() for parameter in case.parameters)
    ours, autograds = (allocated_bytes(candidates[name]) for name in (HAND, BASELINE))
    assert gradients <= ours <= autograds  # at least: the tracing saw them


def test_no_candidate_computes_the_gradient_in_the_inputs():
    case = drawn("inputs", 7, 5, 3, 4, seed=0).to("cpu", torch.float32)
    shapes = [parameter.shape for parameter in case.parameters]

    for candidate in dict(candidates_of(case)).values():
        _, gradients = candidate()
        assert [gradient.shape for gradient in gradients] == shapes
    assert not case.inputs.requires_grad


def test_candidates_that_differ_are_not_timed(monkeypatch, script, capsys):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(b2=gradients.b2 * 1.001)

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)

    assert script.main(["parity", "--sizes", "13-9-4:6", "--no-compile"]) == 1
    assert "hand-derived and autograd, eager differ on b2" in capsys.readouterr().err


def test_without_a_compiler_the_rest_still_runs(monkeypatch):
    def broken(function):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    (document,) = measured(1, no_compile=False)

    assert len(document["timings"]) == 3
    assert document["not_run"] == ["13-9-4:6: torch.compile not run (RuntimeError)"]


def test_script_writes_its_report(script, tmp_path, capsys):
    arguments = ["parity", "--sizes", "13-9-4:6", "--rounds", "2", "--no-compile", "--output", str(tmp_path)]

    assert script.main(arguments) == 0
    printed = capsys.readouterr()
    assert HAND in printed.out
    assert "round 2 of 2, about 0 s left" in printed.err
    document = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert document["baseline"] == BASELINE
    assert document["environment"]["torch"] == torch.__version__
    assert len(document["timings"]) == 3
    assert document["environment"]["fp32_precision"]["torch.backends.cuda.matmul.fp32_precision"] == "ieee"


def test_a_bad_size_is_one_line_and_exit_code_2(script, capsys):
    assert script.main(["parity", "--sizes", "13-9-4:6", "9-9-2"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("benchmark.py: ")
    assert complaint.count("\n") == 1
    assert "equal dimensions" in complaint
