"""Several processes that train or evaluate together, and what each of them has seen."""

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from tests.training.killed import PROCESSES, in_a_folder, program


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_together(arguments: list[str], folder: Path, count: int, target: Any = program) -> list[Any]:
    """The processes of ``cifar-mlp`` with these arguments, by rank, as a launcher outside of it would start them."""
    folder.mkdir(exist_ok=True)
    port, options = free_port(), ["--trainer.accelerator", "cpu", "--trainer.devices", str(count)]
    common = ([*arguments, *options], str(folder), target)
    processes = [PROCESSES.Process(target=_of_rank, args=(rank, port, *common)) for rank in range(count)]
    for process in processes:
        process.start()
    return processes


def _of_rank(rank: int, port: int, arguments: list[str], folder: str, target: Any) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), LOCAL_RANK=str(rank), NODE_RANK="0")
    target(arguments, folder)


class Counted(Callback):
    """Writes a line for each image that this process evaluates, and the metrics at the end."""

    def on_validation_batch_end(self, trainer: Any, *others: Any) -> None:
        self._count(trainer, "val", others[2])

    def on_test_batch_end(self, trainer: Any, *others: Any) -> None:
        self._count(trainer, "test", others[2])

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._tell(trainer, "val")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._tell(trainer, "test")

    def _count(self, trainer: Any, part: str, batch: Any) -> None:
        with open(f"{part}_images_{trainer.global_rank}.txt", "a") as file:
            for index, image in zip(batch.indices.tolist(), batch.inputs, strict=True):
                file.write(f"{index} {hashlib.sha256(image.numpy().tobytes()).hexdigest()}\n")

    def _tell(self, trainer: Any, part: str) -> None:
        if trainer.is_global_zero:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            Path(f"{part}_metrics.json").write_text(json.dumps(metrics))


def validate_and_test(arguments: list[str], folder: str) -> None:
    """``cifar-mlp validate`` and then ``test``, counted, in this process."""
    in_a_folder(folder)
    from cifar_mlp.cli import run

    command = run(["validate", *arguments])
    command.trainer.callbacks.append(Counted())
    command.trainer.validate(command.model, command.datamodule, verbose=False)
    command.trainer.test(command.model, command.datamodule, verbose=False)
