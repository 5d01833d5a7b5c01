"""Checkpoint files that are complete or not there, and checked when they are read."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Trainer

from cifar_mlp.common.atomic_write import replacing
from cifar_mlp.common.checkpoint_checksum import require_whole


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's reader and writer, which replaces a file only by a whole one.

    Lightning's own writes into TMPDIR and then copies over the file. A full disk or a kill within the copy destroys
    the checkpoint of before.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write beside ``path``, flush, rename. Addresses such as ``s3://`` go Lightning's way."""
        if "://" in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(path)) as unfinished, unfinished.open("wb") as file:
            torch.save(checkpoint, file)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a file whose checksums are right.

        Raises:
            ValueError: If it is damaged; names it.
        """
        require_whole(path)
        content: dict[str, Any] = super().load_checkpoint(path, *args, **kwargs)
        return content


def keep_files_whole(trainer: Trainer) -> None:
    """Let a trainer read and write its checkpoints this way, unless its strategy or the user brought another."""
    holder: Any = trainer.strategy
    writer: Any = trainer.strategy.checkpoint_io
    while hasattr(writer, "checkpoint_io"):  # such as AsyncCheckpointIO, which lets another write
        holder, writer = writer, writer.checkpoint_io
    if type(writer) is not TorchCheckpointIO:
        return
    if holder is trainer.strategy:
        holder.checkpoint_io = WholeCheckpointIO()
    elif hasattr(holder, "_checkpoint_io"):  # its setter takes a first one only; seen in Lightning 2.6
        holder._checkpoint_io = WholeCheckpointIO()
