"""What a study runs, and where it keeps it."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from cifar_mlp import models
from cifar_mlp.cli import run
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.run_folder import differing, flat
from cifar_mlp.data.cifar import Part
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.sources import source_of
from cifar_mlp.reproduction.plan import Planned, Variant

SEEDS, FOLDS = "seeds", "cv"


class StudyPlan(NamedTuple):
    """Runs that differ in their seed, or in the fold that they hold out.

    Attributes:
        kind: ``seeds`` or ``cv``.
        folder: Of its runs and results.
        planned: Its runs, in order.
        settings: That they have in common, by section.
        config: File of these settings in the folder.
        text: Its content.
    """

    kind: str
    folder: Path
    planned: list[Planned]
    settings: dict[str, Any]
    config: Path
    text: str

    def keep(self) -> None:
        """Write the settings into the folder, which then holds this study and no other.

        Raises:
            ValueError: If it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.text, self.config)
        except OSError as error:
            raise ValueError(f"--output {self.folder} cannot be written ({error.strerror or error})") from error

    def require_possible(self) -> None:
        """See that the images can be divided and the network be made as asked, before anything is written or runs.

        Raises:
            OSError, ValueError: Naming the option.
        """
        model = self.settings["model"]
        getattr(models, model["class_path"].rpartition(".")[2])(**model["init_args"])
        data = {**self.settings["data"], "seed": self.planned[0].seed}
        for part in get_args(Part):
            source_of(data).prepare(data["root"], part, data["mirror"])
        if self.kind == FOLDS:
            data |= {"num_folds": len(self.planned), "fold": 0}
        try:
            CIFAR10DataModule(**data).val_indices()
        except ValueError as error:
            raise ValueError(str(error).replace("--data.num_folds", "--folds")) from error

    def checkpoint(self, planned: Planned) -> Path:
        """The last epoch's checkpoint of a finished run."""
        return next(finished(self.folder, f"{planned.variant.name}/seed_{planned.seed}"))

    def label(self, planned: Planned) -> str:
        """What tells a run from the others: ``seed 3`` or ``fold 2``."""
        return f"seed {planned.seed}" if self.kind == SEEDS else f"fold {planned.variant.options[-1]}"


def finished(folder: Path, runs: str = "*/seed_*") -> Iterator[Path]:
    """The last epoch's checkpoints of a study's finished runs; an interrupted part of a run has another folder."""
    for results in sorted(folder.glob(f"runs/{runs}/lightning_logs/*/version_*/results.json")):
        yield results.parent / "checkpoints" / "last.ckpt"


def plan(kind: str, count: int, fit_options: Sequence[str], name: str, folder: Path) -> StudyPlan:
    """Settle the settings of a study and see that its folder may hold it; nothing is written yet.

    Args:
        kind: ``seeds`` or ``cv``.
        count: Seeds or folds.
        fit_options: What ``cifar-mlp fit`` takes.
        name: Of the settings.
        folder: Of the study.

    Raises:
        ValueError: If the folder holds a study of another kind or of other settings; names what differs.
    """
    require_folder(folder)
    text = settled(fit_options)
    settings: dict[str, Any] = load_yaml(text)
    require_studied(kind, count, settings)
    config = folder / f"{name}.yaml"
    others = [path.name for path in folder.glob("[!.]*.yaml") if path != config]
    changes = differing(flat(load_yaml(config.read_text())), flat(settings)) if config.is_file() else []
    if others or changes:
        what = ", ".join(f"{option} {before or 'none'}" for option, before, _ in changes) or ", ".join(others)
        raise ValueError(f"--output {folder} holds a study of other settings ({what}): choose another folder")
    made_by = "# cifar-mlp seeds" if kind == SEEDS else f"# cifar-mlp cv --folds {count}"
    before = config.read_text().partition("\n")[0] if config.is_file() else made_by
    if before.startswith("#") and before != made_by:  # its runs would be counted among these
        raise ValueError(f"--output {folder} holds what {before[2:]} made: choose another folder")
    seed = int(settings["seed_everything"])
    if kind == SEEDS:
        planned = [Planned(Variant(name), seed + number) for number in range(count)]
    else:
        folds = [("--data.num_folds", str(count), "--data.fold", str(fold)) for fold in range(count)]
        planned = [Planned(Variant(name, options), seed) for options in folds]
    return StudyPlan(kind, folder, planned, settings, config, f"{made_by}\n{text}")


def require_folder(path: Path) -> None:
    """Refuse an output that is there and is no folder.

    Raises:
        ValueError: Naming it.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"--output {path} is a file: name a folder")


def require_studied(kind: str, count: int, settings: dict[str, Any]) -> None:
    """Refuse settings with which runs could not be told apart, found again or put together.

    Raises:
        ValueError: Naming the option.
    """
    data, trainer = settings["data"], settings["trainer"]
    if kind == FOLDS and data["num_folds"] not in (None, count):
        raise ValueError(f"--data.num_folds {data['num_folds']}: cv sets it by --folds {count}; drop it")
    if data["val_size"] == 0:
        raise ValueError(f"--data.val_size 0 leaves no validation, on which {kind} predicts: drop it")
    if kind == SEEDS and (data["source"] == "digits" or getattr(source_of(data), "draws_test", False)):
        raise ValueError(
            f"--data.source {data['source']}: the seed decides which images are for testing; use cifar-mlp cv"
        )
    usual = {"default_root_dir": (None,), "fast_dev_run": (False, 0), "logger": (None, True),
             "enable_checkpointing": (None, True)}  # fmt: skip
    for option, allowed in usual.items():
        if trainer[option] not in allowed:
            raise ValueError(f"--trainer.{option} {trainer[option]} cannot be given to {kind}: each run has its own")
    for option in ("ckpt_path", "resume"):
        if settings[option] is not None:
            raise ValueError(f"--{option} {settings[option]} cannot be given to {kind}: each run starts on its own")
    if not settings["model"]["class_path"].startswith("cifar_mlp.models."):
        raise ValueError(f"--model {settings['model']['class_path']}: {kind} takes networks of this package")


def settled(fit_options: Sequence[str]) -> str:
    """All settings that ``cifar-mlp fit`` would have, as YAML; a mistake ends the process with its line."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            run(["fit", *fit_options, "--print_config"])
    except SystemExit as ended:
        if ended.code:
            raise
    return printed.getvalue()
