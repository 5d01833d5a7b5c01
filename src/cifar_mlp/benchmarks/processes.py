"""How the work grows with processes: one training on several (DDP), and several trainings shared by workers.

python -m cifar_mlp.benchmarks.processes DIR [MOST_PROCESSES] [ROUNDS]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.machine_share import cores
from cifar_mlp.common.provenance import cpu_identity, environment
from cifar_mlp.pictures.style import BLUE, GREY, ORANGE, SMALL, TITLE, new_figure, pixels, png, save

BATCH = 200  # images a step, of all processes together
EPOCHS, RUNS = 3, 4
FIT = ["--config", "q4_best", "--views.all", "false", "--trainer.precision", "32-true"]
KINDS = {"ddp": ("one training, epochs a minute", BLUE), "workers": ("separate trainings, runs a minute", ORANGE)}


def ddp_seconds(processes: int, folder: Path) -> float:
    """Seconds of an epoch of one training on so many processes of one thread each."""
    options = [*FIT, "--trainer.max_epochs", str(EPOCHS), "--data.batch_size", str(BATCH // processes)]
    options += ["--trainer.accelerator", "cpu", "--trainer.devices", str(processes)]
    _finish([_start(["fit", *options, "--trainer.default_root_dir", str(folder)])])
    (record,) = folder.rglob("provenance.json")
    return float(json.loads(record.read_text())[-1]["fit_seconds"]) / EPOCHS


def worker_seconds(workers: int, folder: Path) -> float:
    """Seconds of a run when so many workers share a few one-epoch runs of different seeds."""
    options = [*FIT, "--trainer.max_epochs", "1", "--output", str(folder), "--storage", str(folder / "journal.log")]
    began = time.monotonic()
    _finish([_start(["seeds", "--seeds", str(RUNS), *options]) for _ in range(workers)])
    return (time.monotonic() - began) / RUNS


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    known = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "cifar_mlp", *arguments], env=known, stdout=subprocess.DEVNULL)


def _finish(started: Sequence[subprocess.Popen[bytes]]) -> None:
    codes = [process.wait() for process in started]
    if any(codes):
        raise RuntimeError("a process failed, see above")


def measured(most: int, rounds: int) -> dict[str, Any]:
    """Seconds of each kind, by number of processes, a round after the other."""
    seconds: dict[str, dict[int, list[float]]] = {kind: {} for kind in KINDS}
    for number in range(rounds):
        for kind, measure in (("ddp", ddp_seconds), ("workers", worker_seconds)):
            for processes in range(1, most + 1):
                with tempfile.TemporaryDirectory() as scratch:
                    taken = measure(processes, Path(scratch))
                seconds[kind].setdefault(processes, []).append(taken)
                print(f"round {number + 1} of {rounds}: {kind}, {processes} processes: {taken:.1f} s", flush=True)
    surroundings = {**environment(("cpu",), seed=0), "cpu": cpu_identity(), "cores": cores()}
    return {"batch": BATCH, "seconds": seconds, "environment": surroundings}


def ratios(seconds: dict[int, list[float]]) -> dict[int, float]:
    """How many times the work of one process, by number of processes: the median over the rounds' ratios."""
    return {
        processes: statistics.median(one / many for one, many in zip(seconds[1], taken, strict=True))
        for processes, taken in seconds.items()
    }


def drawn(document: dict[str, Any]) -> Figure:
    """The ratios, with twice the work from twice the processes as a dashed line."""
    figure = new_figure(6.5, 3.8)
    axes = figure.subplots()
    most = max(max(found) for found in document["seconds"].values())
    axes.plot([1, most], [1, most], "--", color=GREY, label="in proportion")
    for kind, (label, colour) in KINDS.items():
        found = ratios(document["seconds"][kind])
        axes.plot(list(found), list(found.values()), "o-", color=colour, label=label)
    axes.set_xticks(range(1, most + 1))
    axes.set(xlabel="processes, one thread each", ylabel="work, relative to one process", ylim=(0, None))
    axes.legend(fontsize=SMALL, frameon=False)
    axes.grid(color=GREY, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    surroundings = document["environment"]
    axes.set_title(f"{surroundings['cpu']}, {surroundings['cores']} cores", fontsize=TITLE)
    return figure


def main(folder: str, most: str = "2", rounds: str = "2") -> None:
    """Measure, and write ``processes.json`` and ``processes.png`` into a folder."""
    document = measured(int(most), int(rounds))
    write_whole(json.dumps(document, indent=1) + "\n", Path(folder, "processes.json"))
    save(png(pixels(drawn(document))), Path(folder, "processes.png"))
    for kind in KINDS:
        print(kind, {processes: round(ratio, 2) for processes, ratio in ratios(document["seconds"][kind]).items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
