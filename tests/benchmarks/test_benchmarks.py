"""The benchmarks measure what they say; how fast anything is, no test asserts."""

import dataclasses
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import pytest
import torch

from cifar_mlp.benchmarks import agreement, clock, other_peers, ours, peers, plain_loop, roofline, startup_job
from cifar_mlp.benchmarks.harnesses import HARNESSES, Runner, runners
from cifar_mlp.benchmarks.images import FirstImages, MadeImages, most_images
from cifar_mlp.benchmarks.laps import Harness, Lap, Laps, Seen
from cifar_mlp.benchmarks.measured_process import PeakMemory, in_a_process
from cifar_mlp.benchmarks.pca_job import OURS, SOLVERS, errors
from cifar_mlp.benchmarks.pca_job import _fit as fit_pca
from cifar_mlp.benchmarks.problem import Problem, weights_of
from cifar_mlp.benchmarks.race import Result, race, turn
from cifar_mlp.benchmarks.scaling_job import points
from cifar_mlp.benchmarks.scaling_plot import curves
from cifar_mlp.benchmarks.spread import ratios, spread
from cifar_mlp.benchmarks.train_job import as_document
from cifar_mlp.benchmarks.train_plot import speeds
from cifar_mlp.data import sources
from cifar_mlp.pictures.style import pixels
from cifar_mlp.reports import performance_tables as performance_text

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "configs" / "report" / "q4_best.yaml"


@pytest.fixture(autouse=True)
def same_sources(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "SOURCES", dict(sources.SOURCES))
    for module in ("cifar_mlp.data.datamodule", "cifar_mlp.benchmarks.images"):
        monkeypatch.setattr(sys.modules[module], "SOURCES", sources.SOURCES)


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return Problem(CARD, tmp_path, 6, images=130, real=False, hidden_sizes=(9, 7), batch_size=10)


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("script_benchmark", ROOT / "scripts" / "benchmark.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Recorder:
    """A wire that nobody waits at."""

    def __init__(self) -> None:
        self.laps: list[Lap] = []
        self.seen: dict[str, Seen] = {}

    def send(self, message: object) -> None:
        if isinstance(message, Lap):
            self.laps.append(message)
        elif isinstance(message, Seen):
            self.seen[message.moment] = message

    def recv(self) -> str:
        return "go"


def drive(harness: Harness, problem: Problem, laps: int = 2) -> Recorder:
    recorder = Recorder()
    harness(problem, Laps(problem, laps, recorder))
    return recorder


def agree(harness: Harness, problem: Problem, name: str = "it", exact: bool = True, planned: Problem | None = None):
    seen, plain = drive(harness, problem).seen, drive(peers.plain, planned or problem).seen
    return agreement.compare(name, problem.precision, seen, plain, problem.starting_weights(), exact)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("components", [6, None])
def test_a_fit_by_the_command_line_takes_the_plain_loops_steps(problem: Problem, precision, components):
    found = agree(ours.train, problem.variant(components, precision))
    assert found.parameters == sum(i * o + o for i, o in problem.variant(components, precision).layers)


@pytest.mark.parametrize(
    ("harness", "components"),
    [
        (peers.tensor_dataset, 6),
        (peers.tensor_dataset, None),
        (peers.whole_batches, 6),
        (peers.whole_batches, None),
        (peers.tutorial, None),
    ],
)
def test_lightning_peers_take_the_plain_loops_steps(problem: Problem, harness: Harness, components):
    agree(harness, problem.variant(components, "float32"))


def test_the_silent_fit_is_the_same_training_and_logs_nothing(problem: Problem):
    silent = HARNESSES["silent"].run
    agree(silent, problem)
    assert not list(problem.scratch.rglob("events.out*"))
    drive(ours.train, problem)
    assert list(problem.scratch.rglob("events.out*"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_compilers_are_given_as_many_cores_as_there_may_be_threads():
    cores = os.sched_getaffinity(0)
    try:
        other_peers.keep_to_cores(1)
        assert len(os.sched_getaffinity(0)) == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_scikit_learn_trains_as_many_parameters_to_about_the_same_loss(problem: Problem):
    longer = dataclasses.replace(problem, images=1000)  # both near zero, or both far from it
    with pytest.raises(RuntimeError, match="parameters"):
        agree(other_peers.scikit_learn, dataclasses.replace(longer, hidden_sizes=(8, 7)), exact=False, planned=longer)
    found = drive(other_peers.scikit_learn, longer).seen["epoch"]
    assert found.parameters == drive(peers.plain, longer).seen["epoch"].parameters
    assert 0 < found.loss < 2.5


@pytest.mark.parametrize(
    "fault",
    [{"lr": 1.1e-3}, {"weight_decay": 3e-2}, {"batch_size": 11}, {"seed": 1}, {"images": 129}],
    ids=lambda fault: next(iter(fault)),
)
def test_a_peer_that_does_other_work_is_found_out(problem: Problem, fault):
    with pytest.raises(RuntimeError, match="a peer and the plain loop differ"):
        agree(peers.tensor_dataset, dataclasses.replace(problem, **fault), "a peer", planned=problem)


def test_who_was_never_seen_is_not_taken_for_right(problem: Problem):
    plain = drive(peers.plain, problem).seen
    with pytest.raises(RuntimeError, match="a peer did not show its network after the first steps"):
        agreement.compare("a peer", "float32", {}, plain, problem.starting_weights(), True)


def test_the_plain_loop_runs_as_where_lightning_was_never_imported(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    drive(peers.plain, problem)
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ


def test_another_network_is_found_out(problem: Problem):
    other = dataclasses.replace(problem, hidden_sizes=(9, 8))
    with pytest.raises(RuntimeError, match="a peer has 233 parameters, the plain loop 213"):
        agree(peers.plain, other, "a peer", planned=problem)


def test_a_card_with_another_rate_is_found_out(problem: Problem, tmp_path: Path):
    card = tmp_path / "other.yaml"
    card.write_text(CARD.read_text().replace("lr: 1.0e-3", "lr: 1.2e-3"))
    with pytest.raises(RuntimeError, match="differ"):
        agree(ours.train, dataclasses.replace(problem, card=card))


def test_what_is_apart_is_no_training_time(problem: Problem):
    laps = drive(ours.train, problem, 3).laps
    assert len(laps) == 3
    assert all(lap.apart["validation"] > 0 and lap.apart["checkpoints"] > 0 for lap in laps)
    assert all(lap.seconds > 0 for lap in laps)


def test_pictures_are_apart(problem: Problem, views: None):
    laps = drive(ours.train, dataclasses.replace(problem, images=60), 6).laps
    drawn = [lap.apart["pictures"] for lap in laps]
    assert drawn[4] > 100 * max(drawn[:4])  # every fifth epoch
    assert laps[4].seconds < drawn[4] + max(lap.seconds for lap in laps[:4])


def test_the_clock_gives_inner_time_to_the_inner_part(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])

    class Owner:
        def inner(self):
            now[0] += 5

    watch, owner = clock.Clock(), Owner()
    watch.watch(owner, "inner", "inner")
    watch.start()
    now[0] += 1
    with watch.part("outer"):
        now[0] += 2
        owner.inner()
        now[0] += 3
    now[0] += 10
    assert watch.read() == {"training": 11, "outer": 5, "inner": 5}


def test_ratios_are_taken_round_by_round():
    assert ratios([2, 20, 200], [1, 10, 20]) == (2, (2, 6), (2, 10))
    assert spread([3.0]) == (3, (3, 3), (3, 3))


def test_a_turn_s_first_lap_is_not_counted_where_there_are_more():
    cold, laps = Lap(9.0, {"validation": 3.0}), [Lap(1.0, {"validation": 0.5}), Lap(2.0, {"pictures": 1.0})]
    assert turn([cold]) == cold
    assert turn([cold, *laps]) == Lap(1.5, {"validation": 0.25, "pictures": 0.5})


def made_results(problem: Problem) -> list[Result]:
    """Ours half as fast as the plain loop in every round, though the rounds differ by ten."""
    agreed = agreement.Agreement(10, 2.0, 1e-7, 0.0, "steps")
    planned = {"ours": [2.0, 20.0, 200.0], "plain": [1.0, 10.0, 100.0], "roofline": [0.5, 5.0, 50.0]}
    apart = {"ours": {"validation": 0.5}, "roofline": {
        "products": 0.4, "traffic": 0.1, "flop_per_second": 1e9, "bytes_per_second": 1e9}}  # fmt: skip
    return [
        Result(Runner(name, problem), [Lap(second, apart.get(name, {})) for second in taken],
               agreed if name == "ours" else None)
        for name, taken in planned.items()
    ]  # fmt: skip


def test_the_report_holds_the_ratios(problem: Problem):
    document = as_document(problem, 3, made_results(problem), ["Keras: not run (not installed)"])
    mine = document["harnesses"][0]
    assert mine["speed_to"][0] == {
        "harness": "plain", "inputs": "pca", "precision": "float32",
        "median": 0.5, "quartiles": (0.5, 0.5), "range": (0.5, 0.5),
    }  # fmt: skip
    assert mine["share_of_limit"]["median"] == 0.25
    assert mine["images_per_second"]["median"] == 130 / 20
    assert mine["apart"] == {"validation": 0.5}
    json.dumps(document)
    first, second, apart, limit = performance_text.train_tables(document)
    assert first.rows[0][4:7] == ["4 to 36", "0.5 (0.5 to 0.5)", "25 %"]
    assert second.rows == [["plain PyTorch loop", "6 components", "float32", "0.5 (0.5 to 0.5)"]]
    assert apart.rows[0][2:4] == ["20.000", "0.500"]
    assert limit.rows[0][2] == "26"
    where = {"devices": {"cpu": "a machine"}, "threads": 1}
    assert pixels(speeds({**document, "environment": where})).std() > 0


def test_the_limit_counts_every_product_and_byte(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.0)
    layers = [(6, 9), (9, 7), (7, 10)]
    flops = sum(count for _, count in roofline._products(problem))
    assert flops == 2 * 10 * (2 * 6 * 9 + 3 * 9 * 7 + 3 * 7 * 10)
    assert roofline.parameters(problem) == sum(i * o + o for i, o in layers)
    assert roofline.traffic_bytes(problem) == 28 * roofline.parameters(problem)
    assert roofline.traffic_bytes(problem.variant(6, "bfloat16")) == 40 * roofline.parameters(problem)
    (lap,) = drive(roofline.measure, problem, 1).laps
    assert lap.seconds == pytest.approx(lap.apart["products"] + lap.apart["traffic"])


def test_what_is_not_installed_or_cannot_run_is_said(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    keras = dataclasses.replace(HARNESSES["keras"], needs="no_such_package")
    monkeypatch.setitem(HARNESSES, "keras", keras)
    results, absent = race([Runner("keras", problem)], 1)
    assert (results, absent) == ([], ["Keras Model.fit: not run (not installed)"])
    assert HARNESSES["sklearn"].missing("cuda") == "does not run on cuda"


def test_only_what_was_asked_for_runs(problem: Problem):
    chosen = runners(problem, ["ours", "sklearn"], ["pca"], ["float32"])
    assert [runner.key for runner in chosen] == [("ours", "pca", "float32"), ("sklearn", "pca", "float32")]
    everything = runners(problem, list(HARNESSES), ["pca", "pixels"], ["float32", "bfloat16"])
    assert len({runner.key for runner in everything}) == len(everything) == 28


@pytest.mark.slow
def test_harnesses_race_in_processes_of_their_own(script, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["train", "--images", "600", "--components", "5", "--rounds", "2", "--inputs", "pca", "--threads", "1",
                 "--precision", "float32", "--only", "ours", "plain", "roofline", "--output",
                 str(tmp_path / "out")]  # fmt: skip
    assert script.main(arguments) == 0
    printed = capsys.readouterr()
    assert "made bytes" in printed.out
    assert "CIFAR10_ROOT is not set" in printed.err
    document = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    mine, plain = document["harnesses"]
    assert [len(row["seconds"]) for row in (mine, plain)] == [2, 2]
    assert mine["agreement"]["step_error"] <= 0.08
    assert mine["share_of_limit"]["median"] > 0
    assert document["environment"]["torch"] == torch.__version__
    assert (tmp_path / "out" / "train.png").is_file()
    assert "| cifar-mlp fit |" in (tmp_path / "out" / "benchmark.md").read_text()


@pytest.mark.slow
def test_a_harness_that_fails_is_named_and_nothing_is_written(script, monkeypatch, tmp_path: Path, capsys):
    (tmp_path / "card.yaml").write_text(CARD.read_text().replace("data:", "data:\n  test_size: 0"))
    monkeypatch.setattr(script, "CARD", tmp_path / "card.yaml")
    arguments = ["train", "--images", "600", "--rounds", "1", "--inputs", "pca", "--components", "5",
                 "--only", "ours", "--output", str(tmp_path / "out")]  # fmt: skip
    assert script.main(arguments) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("benchmark.py: cifar-mlp fit, pca, float32: ValueError: --data.test_size must lie")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--rounds", "0"], "--rounds must be at least 1"),
        (["train", "--images", "50000"], "--images must lie between 200 and 49000"),
        (["train", "--threads", "0"], "--threads must lie between 1 and"),
        (["train", "--only", "sklearn", "--inputs", "pixels"], "leave nothing to run"),
        (["pca", "--rounds", "0"], "--rounds must be at least 1"),
        (["pca", "--images", "100", "--components", "101"], "--components must lie between 1 and 100"),
        (["startup", "--rounds", "0"], "--rounds must be at least 1"),
        (["scaling", "--rounds", "0"], "--rounds must be at least 1"),
    ],
)
def test_a_bad_option_is_one_line(script, capsys, monkeypatch, small_cifar, arguments, words):
    assert script.main(arguments) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith("benchmark.py: ")
    assert words in complaint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU on this machine")
@pytest.mark.parametrize("job", ["train", "pca", "scaling"])
def test_an_absent_gpu_is_not_run(script, capsys, job):
    assert script.main([job, "--device", "cuda"]) == 0
    assert capsys.readouterr().out.strip() == "cuda: not run (no NVIDIA GPU on this machine)"


def test_made_images_are_the_same_every_time():
    (images, labels), (again, too) = (MadeImages(50).load(None, "train", seed) for seed in (0, 1))
    assert torch.equal(images, again)
    assert torch.equal(labels, too)
    assert images.shape == (50, 3, 32, 32)
    assert images.float().std() > 50


@pytest.mark.real_data
def test_the_first_images_are_cifars_and_so_are_those_for_validation(real_root: str):
    whole, labels = sources.SOURCES["cifar10"].load(real_root, "train", 0)
    images, chosen = FirstImages(300).load(real_root, "train", 0)
    assert torch.equal(images, torch.cat([whole[:300], whole[-1000:]]))
    assert torch.equal(chosen, torch.cat([labels[:300], labels[-1000:]]))
    assert FirstImages(300).num_train == 1300
    assert most_images() == 49_000


def test_the_probe_is_the_networks_own_loss(problem: Problem):
    network = problem.network()
    inputs, labels = problem.load()
    expected = torch.nn.functional.cross_entropy(network(inputs), labels).detach()
    assert problem.probe_loss(weights_of(network)) == pytest.approx(float(expected), rel=1e-6)


def test_every_solver_finds_the_same_components_and_a_fault_shows(problem: Problem):
    torch.manual_seed(0)
    scale = torch.linspace(1, 0.1, 20)
    images = (torch.randn(400, 20) * scale * 40 + 128).clamp(0, 255).to(torch.uint8)
    small = dataclasses.replace(problem, components=4)
    fits = {name: fit_pca(images.clone(), small, solver) for name, solver in SOLVERS.items()}
    for name, fit in fits.items():
        error = errors(fit, fits["scikit-learn covariance_eigh, float64"])
        assert error["variance_error"] < (1e-10 if "float64" in name or name == OURS else 1e-4), name
        assert error["component_error"] < (1e-8 if "float64" in name or name == OURS else 1e-2), name
    fits[OURS].components[1, 2] += 0.01
    assert errors(fits[OURS], fits["scikit-learn covariance_eigh, float64"])["component_error"] > 0.009


def hold(megabytes: int) -> int:
    """Bytes that the meter saw while so many were held and given back."""
    meter = PeakMemory()
    held = bytearray(b"x") * (megabytes * 10**6)
    del held
    return meter.read()


@pytest.mark.slow
def test_the_meter_sees_what_was_given_back():
    assert 45e6 < in_a_process(hold, 50) < 60e6


@pytest.mark.slow
def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="hold: TypeError"):
        in_a_process(hold, "nonsense")


def test_import_times_are_added_up_by_package():
    report = """import time: self [us] | cumulative | imported package
import time:      1000 |       1000 |   numpy.linalg
import time:   2000000 |    2001000 | numpy
import time:      5000 |       5000 | torch
"""
    assert startup_job.packages(report) == [
        {"package": "numpy", "seconds": 2.001, "modules": 2},
        {"package": "torch", "seconds": 0.005, "modules": 1},
    ]


@pytest.mark.slow
def test_start_up_is_timed_to_the_first_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    wanted = ("python -c pass", "cifar-mlp fit, digits, first step")
    everything = startup_job.commands(CARD, tmp_path)
    monkeypatch.setattr(startup_job, "commands", lambda *_: {name: everything[name] for name in wanted})
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    document = startup_job.measure(CARD, tmp_path, 1)
    nothing, fit = (row["seconds"]["median"] for row in document["commands"])
    assert 0 < nothing < fit
    assert next(iter(tmp_path.glob("lightning_logs/*/*/config.yaml"))).is_file()
    assert not list(tmp_path.rglob("*.ckpt"))  # the first step was the last
    assert document["imports"][0]["package"] == "torch"


def test_a_command_that_fails_is_named(tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"nonsense failed: ZeroDivisionError"):
        startup_job.seconds_of("nonsense", [sys.executable, "-c", "1/0"], tmp_path)


def test_points_change_one_thing(problem: Problem):
    base = dataclasses.replace(problem, batch_size=200, hidden_sizes=(550, 128, 100), images=9_800)
    changed = {"batch size": "batch_size", "width": "hidden_sizes", "depth": "hidden_sizes", "images": "images",
               "threads": "threads"}  # fmt: skip
    for axis, _, point in points(base):
        differing = [name for name, value in dataclasses.asdict(point).items() if value != getattr(base, name)]
        assert differing in ([], [changed[axis]])
    assert {axis for axis, _, _ in points(base)} == set(changed)


def test_scaling_is_drawn_and_tabled(problem: Problem):
    speed = {"median": 2.0, "quartiles": (1.0, 3.0), "range": (1.0, 3.0)}
    rows = [
        {"axis": axis, "place": place, "hidden_sizes": (5,), "ours": speed, "plain": speed, "limit": speed,
         "ours_to_plain": speed, "share_of_limit": speed}
        for axis in ("batch size", "threads") for place in (1, 2)
    ]  # fmt: skip
    shape = {"hidden_sizes": [5], "batch_size": 10, "images": 130, "threads": 1, "components": 6}
    document = {"points": rows, "problem": {**shape, "precision": "float32"}, "rounds": 3}
    (table,) = performance_text.scaling_tables(document)
    assert table.rows[0] == ["batch size", "1", "5", "2 (1 to 3)", "2 (1 to 3)", "2", "2.00 (1.00 to 3.00)", "200 %"]
    assert pixels(curves(document)).std() > 0


def test_the_page_shows_the_loop_that_is_timed():
    page = (ROOT / "docs" / "performance.md").read_text()
    shown = re.search(r"in full:\n\n```python\n(.*?)```", page, re.S).group(1)
    assert shown == Path(plain_loop.__file__).read_text()
    assert len(shown.splitlines()) < 30
