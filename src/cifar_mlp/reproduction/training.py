"""One training of a reproduction: a process of the command that users type, in its own folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cifar_mlp.common.results import Row, as_row, rounded
from cifar_mlp.common.run_folder import read_run
from cifar_mlp.reproduction.plan import Planned
from cifar_mlp.reproduction.store import Store

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
SECONDS_TO_END = 5.0


class Training:
    """The process of one planned run.

    Args:
        planned: Which run.
        store: Where its row goes, and below whose folder it writes.
    """

    def __init__(self, planned: Planned, store: Store) -> None:
        self.planned, self.store = planned, store
        self.folder = store.folder / "runs" / planned.variant.name / f"seed_{planned.seed}"
        self.log = self.folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._starting, self._stopped = threading.Lock(), False

    def run(self, program: Sequence[str], threads: int, lock: int) -> None:
        """Train from the beginning, in an empty folder, to the end.

        Args:
            program: Takes the options of ``cifar-mlp fit``.
            threads: For PyTorch.
            lock: The store's: the process holds it too, so that no second one starts beside an orphan.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        about = {"settings": self.store.fingerprint(self.planned), "started": time.time()}
        (self.folder / "run.json").write_text(json.dumps(about))
        command = [*program, "--config", str(self.store.config(self.planned)), "--seed_everything"]
        command += [str(self.planned.seed), "--trainer.default_root_dir", str(self.folder), "--views.all", "false"]
        with open(self.log, "wb") as log, self._starting:
            if self._stopped:
                return
            self._process = subprocess.Popen(
                [*command, *self.planned.variant.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, pass_fds=(lock,),
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # Ctrl-C reaches this process only, which then stops the others
            )  # fmt: skip
        self._process.wait()

    def stop(self) -> None:
        """End the process, if it runs; a later ``run`` starts none."""
        with self._starting:
            self._stopped = True
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_END
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def problem(self) -> str:
        """The last line of a run that failed."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1] if lines else "it printed nothing"

    def result(self, keep_checkpoint: bool) -> Row | None:
        """The finished run's row; ``None`` if it has not finished, or its config has changed since.

        Args:
            keep_checkpoint: Keep the last epoch's checkpoint, for pictures; all others are deleted.
        """
        found = [*self.folder.glob("lightning_logs/*/version_*/results.json")]
        try:
            about = json.loads((self.folder / "run.json").read_text())
            results = json.loads(found[0].read_text())
        except (OSError, IndexError, ValueError):
            return None
        if about["settings"] != self.store.fingerprint(self.planned):
            return None
        row = as_row(self.store.config(self.planned), self.planned.variant.options, self.planned.seed, results)
        row["wall_seconds"] = round(found[0].stat().st_mtime - about["started"], 1)
        row["curves"] = _curves(found[0].parent)
        row["test/confusion"] = results["last"]["test/confusion"]
        for checkpoint in self.folder.rglob("*.ckpt"):
            if not (keep_checkpoint and checkpoint.name == "last.ckpt"):
                checkpoint.unlink()
        return row


def default_program(scripts: Path) -> list[str]:
    """The program behind ``scripts/fit.sh``, run by this interpreter."""
    return [sys.executable, str(scripts / "fit_and_test.py")]


def _curves(folder: Path) -> dict[str, Any]:
    """Metrics of every epoch, to five digits."""
    curves = read_run(folder).curves
    return {name: [rounded(value, 5) for value in curves[name][1]] for name in CURVES if name in curves}
