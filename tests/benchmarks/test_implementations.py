"""Every implementation trains the same network, and one that does not is refused."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from cifar_mlp.benchmarks import agreement, epochs, library_baselines, our_fit, roofline
from cifar_mlp.benchmarks.epochs import Epoch, EpochTimer, Snapshot
from cifar_mlp.benchmarks.images import MOST_IMAGES, FirstImages, register_source
from cifar_mlp.benchmarks.implementations import IMPLEMENTATIONS, TimedRun, choose
from cifar_mlp.benchmarks.problem import Problem, weights_of
from cifar_mlp.callbacks.checkpoints import BestCheckpoint
from cifar_mlp.callbacks.histograms import Histograms
from cifar_mlp.data.cifar import CIFAR10
from tests.benchmarks.conftest import CONFIG
from tests.long_cases import rest_long


class Recorder:
    """A channel that keeps what is sent, and never makes anybody wait."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.snapshots: dict[str, Snapshot] = {}

    def send(self, message: object) -> None:
        if isinstance(message, Epoch):
            self.epochs.append(message)
        elif isinstance(message, Snapshot):
            self.snapshots[message.moment] = message

    def send_bytes(self, message: bytes) -> None:
        self.send(pickle.loads(message))

    def recv(self) -> str:
        return "go"


def train(name: str, problem: Problem, count: int = 2) -> Recorder:
    recorder = Recorder()
    IMPLEMENTATIONS[name].train(problem, EpochTimer(problem, count, recorder))
    return recorder


def compared(name: str, problem: Problem, planned: Problem | None = None) -> agreement.Agreement:
    """Train ``problem`` and the plain loop on ``planned``, and compare."""
    run = TimedRun(IMPLEMENTATIONS[name], problem)
    return agreement.compare(run, train(name, problem).snapshots, train("plain", planned or problem).snapshots)


@pytest.mark.parametrize(
    ("name", "components", "precision"),
    [
        *(("ours", components, precision) for components in (6, None) for precision in ("float32", "bfloat16")),
        ("lightning", 6, "float32"),
        ("lightning", None, "float32"),
        ("whole-batch", 6, "float32"),
        ("whole-batch", None, "float32"),
        ("tutorial", None, "float32"),
    ],
)
def test_it_takes_the_plain_loops_steps(problem: Problem, name: str, components: int | None, precision: str):
    problem = replace(problem, components=components, precision=precision)
    found = compared(name, problem)
    assert found.after == "steps"
    assert roofline.parameters(problem) == sum(parameter.numel() for parameter in problem.network().parameters())


@pytest.mark.long
def test_the_silent_fit_is_the_same_training_and_logs_nothing(problem: Problem):
    compared("silent", problem)
    assert not list(problem.scratch.rglob("events.out*"))
    train("ours", problem)
    assert list(problem.scratch.rglob("events.out*"))


@pytest.mark.long
def test_scikit_learn_trains_as_many_parameters_to_about_the_same_loss(problem: Problem):
    longer = replace(problem, images=1000)
    with pytest.raises(RuntimeError, match="parameters"):
        compared("sklearn", replace(longer, hidden_sizes=(8, 7)), longer)
    found = train("sklearn", longer).snapshots["epoch"]
    assert found.parameters == roofline.parameters(longer)
    assert 0 < found.loss < 2.5


@pytest.mark.parametrize(
    "fault",
    rest_long(
        [{"lr": 1.1e-3}, {"weight_decay": 3e-2}, {"batch_size": 11}, {"seed": 1}, {"images": 129}], [{"lr": 1.1e-3}]
    ),
    ids=lambda fault: next(iter(fault)),
)
def test_an_implementation_that_does_other_work_is_refused(problem: Problem, fault: dict[str, float]):
    with pytest.raises(RuntimeError, match="DataLoader, pca, float32 and the plain loop disagree after the same steps"):
        compared("lightning", replace(problem, **fault), problem)


def test_another_network_is_refused(problem: Problem):
    with pytest.raises(RuntimeError, match="has 233 parameters, the plain loop 213"):
        compared("plain", replace(problem, hidden_sizes=(9, 8)), problem)


def test_a_config_with_another_learning_rate_is_refused(problem: Problem, tmp_path: Path):
    config = tmp_path / "other.yaml"
    config.write_text(CONFIG.read_text().replace("lr: 1.0e-3", "lr: 1.2e-3"))
    with pytest.raises(RuntimeError, match="disagree"):
        compared("ours", replace(problem, config=config))


def test_a_missing_snapshot_is_refused(problem: Problem):
    run = TimedRun(IMPLEMENTATIONS["lightning"], problem)
    with pytest.raises(RuntimeError, match="sent no snapshot after the first steps"):
        agreement.compare(run, {}, train("plain", problem).snapshots)


def test_the_plain_loop_runs_as_if_lightning_were_not_imported(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    train("plain", problem)
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to cores")
def test_compilers_get_as_many_cores_as_threads():
    cores = os.sched_getaffinity(0)
    try:
        library_baselines.keep_to_cores(1)
        assert len(os.sched_getaffinity(0)) == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_what_is_timed_separately_is_not_training(monkeypatch: pytest.MonkeyPatch, problem: Problem):
    now = [0.0]
    monkeypatch.setattr(epochs.time, "perf_counter", lambda: now[0])

    class Owner:
        def validate(self) -> None:
            now[0] += 5

    recorder, owner = Recorder(), Owner()
    timer = EpochTimer(problem, 1, recorder)
    timer.time_separately(owner, "validate", "validation")
    timer.start()
    now[0] += 1
    owner.validate()
    now[0] += 2
    timer.end()
    assert recorder.epochs == [Epoch(3.0, {"validation": 5.0})]


def test_a_fit_reports_validation_and_checkpoints_separately(problem: Problem):
    timed = train("ours", problem, 3).epochs
    assert len(timed) == 3
    assert all({"validation", "checkpoints"} <= epoch.other_seconds.keys() for epoch in timed)
    kinds = {type(one): [name for kind, name in our_fit.SEPARATE.items() if isinstance(one, kind)]
             for one in (BestCheckpoint(), Histograms(), Callback())}  # fmt: skip
    assert list(kinds.values()) == [["checkpoints"], ["pictures"], []]


def test_the_probe_loss_is_the_networks_own(problem: Problem):
    network, (inputs, labels) = problem.network(), problem.load()
    expected = torch.nn.functional.cross_entropy(network(inputs), labels).detach()
    assert problem.probe_loss(weights_of(network)) == pytest.approx(float(expected), rel=1e-6)


def test_only_what_was_requested_and_can_run_is_chosen(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    runs, not_run = choose(problem, ["ours", "sklearn"], ["pca"], ["float32"])
    assert [run.label for run in runs] == ["cifar-mlp fit, pca, float32", "scikit-learn MLPClassifier, pca, float32"]
    assert not_run == []
    for name, one in IMPLEMENTATIONS.items():
        monkeypatch.setitem(IMPLEMENTATIONS, name, replace(one, needs=None))
    runs, _ = choose(problem, IMPLEMENTATIONS, ["pca", "pixels"], ["float32", "bfloat16"])
    assert len({run.label for run in runs}) == len(runs) == 34
    monkeypatch.setitem(IMPLEMENTATIONS, "keras", replace(IMPLEMENTATIONS["keras"], needs="no_such_package"))
    runs, not_run = choose(problem, ["keras", "plain"], ["pca"], ["float32"])
    assert [run.implementation.name for run in runs] == ["plain"]
    assert not_run == ["Keras Model.fit: not run (not installed)"]
    _, not_run = choose(replace(problem, device="cuda"), ["sklearn", "plain"], ["pca"], ["float32"])
    assert not_run == ["scikit-learn MLPClassifier: not run (does not run on cuda)"]


def test_the_roofline_counts_every_matmul_and_byte(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roofline, "_best_seconds", lambda call, device: 1.0)
    problem = replace(problem, images=125)
    (epoch,) = train("roofline", problem, 1).epochs
    parts, parameters = epoch.other_seconds, (6 + 1) * 9 + (9 + 1) * 7 + (7 + 1) * 10
    assert epoch.seconds == parts["matmul_seconds"] + parts["optimizer_seconds"]
    assert parts["matmul_seconds"] == 8 * 12.5  # twelve batches and a half, eight matmuls in each
    assert parts["flop_per_second"] == 2 * 10 * (2 * 6 * 9 + 3 * 9 * 7 + 3 * 7 * 10) / 8
    assert parts["bytes_per_second"] == 24 * parameters
    assert parts["optimizer_seconds"] == pytest.approx(13 * 28 / 24)
    (half,) = train("roofline", replace(problem, precision="bfloat16"), 1).epochs
    assert half.other_seconds["optimizer_seconds"] == pytest.approx(13 * 40 / 24)


@pytest.mark.real_data
def test_the_first_images_are_cifars_and_so_are_those_for_validation(real_root: str):
    whole, labels = CIFAR10.load(real_root, "train", 0)
    source = register_source(300, real=True)
    assert isinstance(source, FirstImages)
    images, chosen = source.load(real_root, "train", 0)
    assert torch.equal(images, torch.cat([whole[:300], whole[-1000:]]))
    assert torch.equal(chosen, torch.cat([labels[:300], labels[-1000:]]))
    assert source.num_train == 1300
    assert register_source(MOST_IMAGES, real=True) is CIFAR10
