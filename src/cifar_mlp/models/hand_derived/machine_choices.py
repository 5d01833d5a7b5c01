"""What was measured to be faster on this machine, kept, so that two runs from one seed have the same bits."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.provenance import cpu_identity

WAIT = 60  # seconds, while another process measures


class MachineChoices:
    """One file for each CPU, version of PyTorch and number of threads; the first process that measures decides.

    Where the folder cannot be written nothing is kept, and another run may choose differently.

    Args:
        folder: Of the cache.
        ways: What may be chosen; a file with anything else is made again.
    """

    def __init__(self, folder: Path, ways: tuple[str, ...]) -> None:
        self._ways = ways
        self.machine = {
            "cpu": cpu_identity(),
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
        }
        digest = hashlib.sha256(json.dumps(self.machine, sort_keys=True).encode()).hexdigest()[:16]
        self.path = folder / f"matmuls-{digest}.json"

    def get(self, name: str, measure: Callable[[], str]) -> str:
        """The choice of this name; measured if it was never made."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=WAIT):
                choices = self._read()
                if name not in choices:
                    choices[name] = measure()
                    write_whole(json.dumps({**self.machine, "choices": choices}, indent=1) + "\n", self.path)
                return choices[name]
        except (OSError, NotImplementedError, Timeout):  # a file system may have no locks
            return self._read().get(name) or measure()

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            choices = dict(content["choices"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return {str(name): way for name, way in choices.items() if way in self._ways}
