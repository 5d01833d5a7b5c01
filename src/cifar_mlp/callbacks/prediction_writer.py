"""Predictions as a CSV file."""

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from cifar_mlp.common.atomic_write import can_be_written, replacing
from cifar_mlp.data.own_images.image_files import ImageFiles


class PredictionWriter(BasePredictionWriter):
    """Writes a row for each image: file, predicted class, probability of each class, error if it could not be read.

    Needs a data module with ``output``, the path of the file. Rows go to a temporary file beside it, which gets that
    name at the end.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")
        self._file: TextIO | None = None
        self._open_file = ExitStack()
        self._rows = self._unreadable = 0

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Check before any work that the file can be written."""
        if stage != "predict":
            return
        if trainer.world_size > 1:
            raise ValueError("predict writes one file in order: use --trainer.devices 1")
        output = Path(trainer.datamodule.output).expanduser()
        if not can_be_written(output):
            raise ValueError(f"--data.output {str(output)!r} cannot be written: name a file in a folder that exists")

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the file and write the heading."""
        output = Path(trainer.datamodule.output).expanduser()
        unfinished = self._open_file.enter_context(replacing(output))
        opened = unfinished.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        self._file = self._open_file.enter_context(opened)
        csv.writer(self._file).writerow(["file", "predicted", *_names(trainer, pl_module), "error"])

    def write_on_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        prediction: Tensor,
        batch_indices: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write a batch's rows."""
        assert self._file is not None
        writer = csv.writer(self._file)
        images = trainer.predict_dataloaders.dataset
        names = _names(trainer, pl_module)
        blanks = [""] * len(names)
        for index, probabilities in zip(batch.indices.tolist(), prediction.tolist(), strict=True):
            file = str(images.files[index]) if getattr(images, "files", None) else f"test/{index}"
            self._rows += 1
            if isinstance(images, ImageFiles) and index in images.errors:
                self._unreadable += 1
                writer.writerow([file, "", *blanks, images.errors[index]])
            else:
                best = max(range(len(names)), key=probabilities.__getitem__)
                writer.writerow([file, names[best], *(f"{value:.6f}" for value in probabilities), ""])

    def on_predict_end(self, trainer: Any, pl_module: Any) -> None:
        """Close the file and give it its name."""
        self._open_file.close()
        self._file = None
        output = Path(trainer.datamodule.output).expanduser()
        print(f"{output}: {self._rows:,} images, {self._unreadable:,} of them unreadable", flush=True)
        if self._rows == self._unreadable:
            raise ValueError(f"--data.predict_path: no file could be read, see the last column of {output}")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Remove the unfinished file."""
        self._open_file.__exit__(type(exception), exception, exception.__traceback__)
        self._file = None


def _names(trainer: Any, pl_module: Any) -> list[str]:
    """The classes that the module was trained on; a foreign module's are those of the data."""
    return list(getattr(pl_module, "class_names", trainer.datamodule.class_names))
