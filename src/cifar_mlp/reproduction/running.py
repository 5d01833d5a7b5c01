"""One run: a process of the same command that a user types, in a folder of its own, under a lock of its own."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cifar_mlp.common.results import Row, as_row, rounded
from cifar_mlp.common.run_folder import read_run
from cifar_mlp.reproduction.plan import Planned
from cifar_mlp.reproduction.store import Store

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


class Run:
    """A run that this process may start, or has started.

    The lock is a file that the training process holds open too: it is taken as long as anybody works on the run, and
    free, without anybody having to judge, once they are gone. A training whose starter was killed goes on to its
    end, and its result is taken in by whoever asks next.

    Args:
        planned: Which run.
        store: Where its row goes, and below whose folder it lies.
    """

    def __init__(self, planned: Planned, store: Store) -> None:
        self.planned, self.store = planned, store
        self.folder = folder_of(store.folder, planned)
        self.log = self.folder / "log.txt"
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0

    def acquire(self) -> bool:
        """Take the run; false if another process has it."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder.with_name(self.folder.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def start(self, program: Sequence[str], threads: int) -> None:
        """Begin from nothing; what an interrupted try left is removed.

        Args:
            program: What takes the options of ``cifar-mlp fit``.
            threads: For PyTorch.
        """
        assert self._lock is not None
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        about = {"settings": self.store.fingerprint(self.planned), "started": time.time()}
        (self.folder / "run.json").write_text(json.dumps(about))
        command = [*program, "--config", str(self.store.card(self.planned)), "--seed_everything"]
        command += [str(self.planned.seed), "--trainer.default_root_dir", str(self.folder), "--views.all", "false"]
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [*command, *self.planned.variant.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, pass_fds=(self._lock,),
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # Ctrl-C is for us, who then stop it
            )  # fmt: skip

    def new_lines(self) -> list[str]:
        """What the run has said since the last call."""
        with open(self.log, "rb") as log:
            log.seek(self._read)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()

    def ended(self) -> bool:
        """Whether the process has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    def stop(self) -> None:
        """End the process."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def problem(self) -> str:
        """The last line of a run that failed."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1] if lines else "it ended without a word"

    def collect(self, keep_checkpoint: bool) -> Row | None:
        """Take a finished run into the store; ``None`` if it has not finished, or its card has changed since.

        Args:
            keep_checkpoint: Keep the last epoch's, for pictures; all others are deleted.
        """
        found = [*self.folder.glob("lightning_logs/*/version_*/results.json")]
        try:
            about = json.loads((self.folder / "run.json").read_text())
            results = json.loads(found[0].read_text())
        except (OSError, IndexError, ValueError):
            return None
        if about["settings"] != self.store.fingerprint(self.planned):
            return None
        row = as_row(self.store.card(self.planned), self.planned.variant.options, self.planned.seed, results)
        row["wall_seconds"] = round(found[0].stat().st_mtime - about["started"], 1)
        row["curves"] = _curves(found[0].parent)
        row["test/confusion"] = results["last"]["test/confusion"]
        for checkpoint in self.folder.rglob("*.ckpt"):
            if not (keep_checkpoint and checkpoint.name == "last.ckpt"):
                checkpoint.unlink()
        self.store.add(row)
        return row


def folder_of(output: Path, planned: Planned) -> Path:
    """Where a run lies below a reproduction's folder."""
    return output / "runs" / planned.variant.name / f"seed_{planned.seed}"


def default_program(scripts: Path) -> list[str]:
    """The program behind ``scripts/fit.sh``, run by this interpreter."""
    return [sys.executable, str(scripts / "fit_and_test.py")]


def _curves(folder: Path) -> dict[str, Any]:
    """Every epoch's metrics, rounded to what is worth keeping."""
    curves = read_run(folder).curves
    return {name: [rounded(value, 5) for value in curves[name][1]] for name in CURVES if name in curves}
