"""The part of the command line that continues from a checkpoint."""

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins.environments import SLURMEnvironment

from cifar_mlp.cli.auto_resume import latest_run, left_by_slurm, nothing_left
from cifar_mlp.cli.checkpoint_option import checkpoint_file, given, is_named
from cifar_mlp.cli.parser import DEFAULT_MODEL, completed
from cifar_mlp.cli.run_logger import RunLogger
from cifar_mlp.common.interruption import saving_at_termination
from cifar_mlp.training.checkpoint import is_of_this_package, option_defaults, read_checkpoint
from cifar_mlp.training.resume_agreement import (
    require_same_course,
    require_same_data,
    require_same_epoch,
    require_same_images,
    require_same_network,
)
from cifar_mlp.training.run_settings import left_out, replaced, run_settings, trainer_defaults


class ResumableCLI(LightningCLI):
    """Takes a checkpoint's settings as defaults, finds the run to resume, and refuses what contradicts it.

    Attributes:
        checkpoint: As read; ``None`` if none is asked for.
        checkpoint_path: Its file.
        before: The settings that its run was started with, by section.
        resuming: Whether ``--resume auto`` has found a run.
        finished: Whether that run has nothing left to train.
    """

    arguments: list[str]
    _network = DEFAULT_MODEL

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.checkpoint: dict[str, Any] | None = None
        self.checkpoint_path = ""
        self.before: dict[str, Any] = {}
        self.resuming = self.finished = False
        super().__init__(*args, **kwargs)

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        """Give options to the command that is typed: those of all four take half of the time to start."""
        others = self.subcommands().keys() - {subcommand}
        if self.arguments and self.arguments[0] in others:
            return self.init_parser(**kwargs)
        return super()._prepare_subcommand_parser(klass, subcommand, **kwargs)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; a checkpoint's settings are the defaults."""
        arguments, subcommand = self.arguments, self.arguments[0] if self.arguments else ""
        name = given(arguments, "ckpt_path")
        if given(arguments, "resume") is not None:
            name = self._unfinished(parser, subcommand, name)
        if name is not None and subcommand in self._subcommand_parsers:
            self._take_defaults(name, subcommand)
        self.config = parser.parse_args(completed(arguments, self._network))
        if self.checkpoint is not None:
            config = self.config[subcommand]
            config.ckpt_path = self.checkpoint_path
            carried = self.before.get("trainer", {}).get("callbacks") or []
            if subcommand == "fit" and carried:
                self._replace_callbacks(config.trainer, carried)
        if name is not None or given(arguments, "resume") is not None:
            self.config[subcommand].resume = None  # a saved config must repeat the run, not continue with another

    def _unfinished(self, parser: LightningArgumentParser, subcommand: str, name: str | None) -> str | None:
        """The checkpoint that ``--resume auto`` continues from, if there is one."""
        if subcommand != "fit" or name is not None:
            raise ValueError("--resume auto finds the checkpoint that fit resumes from: give it without --ckpt_path")
        config = parser.parse_args(completed(self.arguments))[subcommand]
        requested = yaml.safe_load(self._subcommand_parsers[subcommand].dump(config, skip_none=False))
        run_name = name_of_run(config.config, config.data.source)
        found = latest_run(requested, config.trainer.default_root_dir, run_name)
        self.resuming = found is not None
        return None if found is None else str(found)

    def _take_defaults(self, name: str, subcommand: str) -> None:
        training = subcommand == "fit"
        root = given(self.arguments, "trainer.default_root_dir")
        self.checkpoint_path = str(checkpoint_file(name, root, training, "--ckpt_path"))
        self.checkpoint = read_checkpoint(self.checkpoint_path, "--ckpt_path")
        named = functools.partial(is_named, self.arguments)
        defaults = option_defaults(self.checkpoint, training, named)
        if training:
            self.before = run_settings(self.checkpoint, self.checkpoint_path)
            defaults |= trainer_defaults(self.before, self.checkpoint_path, named)
        if "model" in defaults:
            self._network = defaults["model"]["class_path"]
        self._subcommand_parsers[subcommand].set_defaults(defaults)

    def _replace_callbacks(self, trainer: Any, carried: list[Any]) -> None:
        """Take a callback once that the run has and the command names again; say which ones are left out."""
        trainer.callbacks = replaced(trainer.callbacks or [], carried)
        for path in left_out(trainer.callbacks, carried):
            warnings.warn(f"--trainer.callbacks leaves out {path}, which the run had", stacklevel=2)

    def _parse_ckpt_path(self) -> None:
        """Lightning would let the checkpoint win over the command line here; see ``parse_arguments``."""

    def _require_something_left(self, trainer: Any) -> None:
        """Refuse to continue where a limit is reached; under ``--resume auto`` that is the end, not a mistake."""
        assert self.checkpoint is not None
        if trainer.fast_dev_run:
            raise ValueError("--trainer.fast_dev_run starts at the beginning: give it without a checkpoint")
        reached = nothing_left(self.checkpoint, trainer, self.before.get("trainer", {}))
        if reached is not None and self.resuming:
            self.finished = True
        elif reached is not None and reached[0] in trainer:
            option, count = reached
            limit = trainer[option]
            raise ValueError(f"--trainer.{option} {limit}: the checkpoint has {count} behind it already; ask for more")

    def after_instantiate_classes(self) -> None:
        """Compare the settings with the checkpoint's, and take its preprocessing."""
        if self.checkpoint is None:
            return
        path = self.checkpoint_path
        require_same_data(self.checkpoint, path, self.datamodule, self.subcommand == "fit")
        require_same_images(self.checkpoint, path, self.datamodule, self.subcommand == "fit")
        require_same_network(self.checkpoint, path, self.model)
        if self.subcommand == "fit":
            require_same_epoch(self.checkpoint, path, self.datamodule, self.trainer)
        if is_of_this_package(self.checkpoint):
            if self.subcommand == "fit":
                require_same_course(self.checkpoint, self.model)
            self.datamodule.use_fitted(self.checkpoint["state_dict"])

    def _run_logger(self, root: str | None) -> RunLogger:
        """A new version under the config's name; a resumed run stays in its folder unless another root is given."""
        if self.checkpoint is not None:
            folder = Path(self.checkpoint_path).resolve().parent.parent
            is_here = root is None or [Path(root).resolve()] == list(folder.parents)[2:3]
            if is_here and (folder / "provenance.json").is_file():
                # what was logged after the checkpoint will be logged again
                step = self.checkpoint["global_step"]
                place = (folder.parent.parent, folder.parent.name, folder.name)
                return RunLogger(*place, default_hp_metric=False, purge_step=step)
        return RunLogger(Path(root or ".") / "lightning_logs", self.run_name(), default_hp_metric=False)

    def run_name(self) -> str:
        """The config's name, after the source's where that is not CIFAR-10."""
        return name_of_run(self._get(self.config, "config"), self.datamodule.source.name)

    def fit(self, **arguments: Any) -> None:
        """Train, unless the run is finished.

        Raises:
            ValueError: Under SLURM, where Lightning would continue from an interrupted job's checkpoint unasked.
        """
        left = left_by_slurm(self._get(self.config, "trainer").default_root_dir)
        if self.checkpoint is None and left and SLURMEnvironment.detect():
            raise ValueError(
                f"{left[0]} is of an interrupted job: give --resume auto or --ckpt_path to resume it, or delete it"
            )
        if not self.finished:
            with saving_at_termination():
                self.trainer.fit(**arguments)


def name_of_run(configs: Sequence[Any] | None, source: str) -> str:
    """The config's name, after the source's where that is not CIFAR-10."""
    name = Path(str(configs[-1])).stem if configs else "default"
    return name if source == "cifar10" or name.startswith(source) else f"{source}-{name}"
