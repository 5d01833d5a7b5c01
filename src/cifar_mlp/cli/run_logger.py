"""TensorBoard's logger for a run in a folder that no other run has."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only, rank_zero_warn

from cifar_mlp.callbacks.board import WITHIN
from cifar_mlp.common.atomic_write import free_bytes, full_disk, in_words, replacing

_usual = threading.excepthook


def _of_other_threads(failed: Any) -> None:
    """Show what ended a thread, but not the full disk that ended TensorBoard's: the next write raises it again."""
    if not (type(failed.thread).__name__ == "_AsyncWriterThread" and full_disk(failed.exc_value)):
        _usual(failed)


class RunLogger(TensorBoardLogger):
    """Makes its ``version_N`` exclusively, and lets a run continue where its curves cannot be written."""

    _failed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if threading.excepthook is not _of_other_threads:
            global _usual
            _usual, threading.excepthook = threading.excepthook, _of_other_threads

    def _get_next_version(self) -> int:
        """Lightning's next number, or the first one after it that another process has not just taken."""
        number = super()._get_next_version()
        while getattr(rank_zero_only, "rank", 0) == 0:
            try:
                Path(self.root_dir, f"version_{number}").mkdir(parents=True)
                break
            except FileExistsError:
                number += 1
            except OSError as error:
                raise ValueError(
                    f"--trainer.default_root_dir: {self.root_dir} cannot be made ({error.strerror})"
                ) from error
        return number

    @contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # Lightning raises the second from the first
            reason = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(reason, OSError):
                raise
            self.say_full(reason)

    def say_full(self, reason: OSError) -> None:
        """Warn, once in a run, that nothing more is shown: which file cannot grow, and what room there is."""
        if self._failed:
            return
        self._failed = True
        folder = Path(self.log_dir)
        file = next(iter(sorted(folder.glob("events.out.tfevents.*"), reverse=True)), folder)
        room = f"; it needs more than the {in_words(free_bytes(folder))} that are free" if folder.is_dir() else ""
        why = os.strerror(reason.errno) if reason.errno else reason
        rank_zero_warn(f"{file}: TensorBoard's curves and pictures are not written any more ({why}){room}")

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Lightning's, whose curve ``epoch`` would be the first of all; a full disk is a warning."""
        renamed = {f"{WITHIN}/epoch" if name == "epoch" else name: value for name, value in metrics.items()}
        with self._warning():
            super().log_metrics(renamed, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Lightning's; a full disk is a warning."""
        with self._warning():
            super().log_hyperparams(*args, **kwargs)

    def save(self) -> None:
        """Lightning's, with hparams.yaml complete or not there; a full disk is a warning."""
        with self._warning():
            file = Path(self.log_dir, self.NAME_HPARAMS_FILE)
            if file.parent.is_dir() and not file.is_file():
                with replacing(file) as unfinished:
                    save_hparams_to_yaml(unfinished, self.hparams)
            super().save()

    def finalize(self, status: str) -> None:
        """Lightning's; a full disk is a warning. A run that failed before its first step leaves no folder."""
        with self._warning():
            super().finalize(status)
        if status == "failed" and getattr(rank_zero_only, "rank", 0) == 0:
            folder = Path(self.log_dir)
            if not (folder / "config.yaml").exists():  # written when training begins
                for events in folder.glob("events.out.tfevents.*"):
                    events.unlink()
            with suppress(OSError):  # not empty, or not there
                for level in (folder, *folder.parents[:2]):
                    level.rmdir()


def with_a_folder(named: Logger | list[Logger], make: Callable[[], RunLogger]) -> list[Logger]:
    """The loggers that were named, after one that gives the run its folder, for files, checkpoints and pictures.

    Args:
        named: By the user.
        make: Makes one with a folder, where none of them has.
    """
    loggers = named if isinstance(named, list) else [named]
    first = [logger for logger in loggers if isinstance(logger, TensorBoardLogger | CSVLogger)]
    return [*(first or [make()]), *(logger for logger in loggers if logger not in first)]
