"""One training of a reproduction: a process of the command that users type, in its own folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cifar_mlp.common.atomic_write import write_whole_bytes
from cifar_mlp.common.results import Row, as_row, config_fingerprint, rounded
from cifar_mlp.common.run_folder import read_run
from cifar_mlp.reproduction.plan import Planned

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
# One whole epoch of 49,000 images, whatever the config asks for
QUICK = ("--trainer.max_steps", "-1", "--trainer.max_epochs", "1")
TETHER = [sys.executable, "-S", str(Path(__file__).with_name("tether.py"))]


class Training:
    """The process of one planned run.

    Args:
        planned: Which run.
        configs: Folder of the report's configs.
        runs: Folder of the runs' folders.
        quick: Train for one epoch.
        resume: Continue with what an interrupted training has left, instead of starting from scratch.
    """

    def __init__(self, planned: Planned, configs: Path, runs: Path, quick: bool, resume: bool = False) -> None:
        self.planned, self.quick, self.resume = planned, quick, resume
        self.source = configs / f"{planned.variant.config}.yaml"
        self.folder = runs / planned.variant.name / f"seed_{planned.seed}"
        self.config = self.folder / self.source.name
        self.log = self.folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> list[str]:
        """Make its folder, with a copy of its config; returns what ``cifar-mlp fit`` takes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole_bytes(self.source.read_bytes(), self.config)  # the row's settings are those of the start
        arguments = ["--config", str(self.config), "--seed_everything", str(self.planned.seed)]
        arguments += [*self.planned.variant.options, *(QUICK if self.quick else ())]
        return [*arguments, *(("--resume", "auto") if self.resume else ())]

    def start(self, program: Sequence[str], threads: int, lock: int) -> None:
        """Train in its own folder. The training ends with this process, however that ends.

        Args:
            program: Takes the options of ``cifar-mlp fit``.
            threads: For PyTorch.
            lock: File descriptor of the store's lock, which the training holds too.
        """
        if not self.resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        command = [*TETHER, *program, *self.begin()]
        command += ["--trainer.default_root_dir", str(self.folder), "--views.all", "false"]
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, pass_fds=(lock,),
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # Ctrl-C reaches this process only, which then stops the others
            )  # fmt: skip

    def has_ended(self) -> bool:
        """Whether no process of it runs, or ever did."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """Kill the training, which has nothing to save; one that has ended is cleared away."""
        if self._process is not None:
            with self._process:  # waits, and closes its standard input
                if not self.has_ended():
                    os.killpg(self._process.pid, signal.SIGKILL)

    def problem(self) -> str:
        """The last line of a run that failed."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.is_file() else []
        return next((line for line in reversed(lines) if line.strip()), "it printed nothing")

    def is_done(self) -> bool:
        """Whether it has left its row, with the present settings of its config."""
        row = self.result(keep_checkpoint=True)
        return row is not None and row["settings"] == config_fingerprint(self.source)

    def result(self, keep_checkpoint: bool) -> Row | None:
        """The finished run's row; ``None`` if it has not finished.

        Args:
            keep_checkpoint: Keep the last epoch's checkpoint, for pictures; all others are deleted.
        """
        found = next(self.folder.glob("lightning_logs/*/version_*/results.json"), None)
        if found is None or not self.config.is_file():
            return None
        results = json.loads(found.read_text())
        row = as_row(self.config, self.planned.variant.options, self.planned.seed, results)
        row["wall_seconds"] = round(found.stat().st_mtime - self.config.stat().st_mtime, 1)
        row["curves"] = _curves(found.parent)
        row["test/confusion"] = results["last"]["test/confusion"]
        for checkpoint in self.folder.rglob("*.ckpt"):
            if not (keep_checkpoint and checkpoint.name == "last.ckpt"):
                checkpoint.unlink()
        return row


def _curves(folder: Path) -> dict[str, Any]:
    """Metrics of every epoch, to five digits."""
    curves = read_run(folder).curves
    return {name: [rounded(value, 5) for value in curves[name][1]] for name in CURVES if name in curves}
