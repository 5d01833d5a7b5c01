"""The command line: ``cifar-mlp fit|validate|test|predict``."""

import sys
from collections.abc import Callable
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser

import cifar_mlp.models.handwritten  # noqa: F401, its class is known by its short name, which old configs give
from cifar_mlp import __version__
from cifar_mlp.callbacks.architecture import NetworkSummary
from cifar_mlp.callbacks.checkpoints import BestCheckpoint, CheckpointStep, LastCheckpoint
from cifar_mlp.callbacks.prediction_writer import PredictionWriter
from cifar_mlp.callbacks.progress import EpochLines, SparingProgressBar
from cifar_mlp.callbacks.resumed_settings import AskedSettings
from cifar_mlp.callbacks.run_record import RunRecord
from cifar_mlp.callbacks.step_seed import StepSeed
from cifar_mlp.callbacks.stop_on_nan import StopAtNotFinite
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli.callback_checks import check_monitors, refuse_tuners
from cifar_mlp.cli.devices import require_devices
from cifar_mlp.cli.evaluating import EvaluatingCLI
from cifar_mlp.cli.option_aliases import with_options
from cifar_mlp.cli.parser import LINKS, USER_ERRORS, Parser, errors_in_one_line
from cifar_mlp.cli.run_logger import with_a_folder
from cifar_mlp.cli.trainer_options import require_sane
from cifar_mlp.cli.warning_filters import QuietProcess, one_line_warnings, quiet
from cifar_mlp.common.interruption import answering_interrupts, bring_along
from cifar_mlp.common.provenance import device_name
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models.classifier import Classifier
from cifar_mlp.training.checkpoint_file import keep_files_whole
from cifar_mlp.training.loop_choice import use_exact_loop, use_fast_loop
from cifar_mlp.training.loop_obstacles import describe
from cifar_mlp.training.precision import suited_precision

DEFAULT_EPOCHS = 20
DEFAULT_SEED = 0


class CommandLine(EvaluatingCLI):
    """LightningCLI for this package's data, and its network or any LightningModule.

    Settings win in this order: class default < checkpoint < config file < command line. A checkpoint alone is enough
    for ``test`` and ``predict``.
    """

    def __init__(
        self,
        args: list[str] | None = None,
        run: bool = True,
        before_fit: Callable[[CIFAR10DataModule], None] | None = None,
    ) -> None:
        self._look_at_data = before_fit
        self.arguments = with_options(sys.argv[1:] if args is None else args)
        super().__init__(
            LightningModule,
            CIFAR10DataModule,
            save_config_callback=None,  # RunRecord writes it
            trainer_defaults={
                "use_distributed_sampler": False,
                "devices": 1,  # batch_size is per device: more devices are an explicit choice
                "num_sanity_val_steps": 0,
                "enable_model_summary": False,  # NetworkSummary says more
            },
            seed_everything_default=DEFAULT_SEED,
            parser_class=Parser,
            parser_kwargs={
                "prog": "cifar-mlp",
                "version": __version__,
                "description": "Fully connected networks on CIFAR-10. Options of one command: cifar-mlp fit --help",
                "fit": {"description": "Train. Options of the network: cifar-mlp fit --model.help"},
            },
            subclass_mode_model=True,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=self.arguments,
            run=run,
        )

    # Parsing

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Take what the network must know from the data, and the data's seed from the one seed."""
        for source, target in LINKS.items():
            parser.link_arguments(f"data.{source}", f"model.init_args.{target}", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=_as_seed)
        parser.add_class_arguments(Views, "views")
        parser.add_argument("--fast_loop", type=bool, default=True, help="Train with less overhead, where possible.")
        help_text = (
            "Continue with the latest unfinished run of the same settings (fit only); start one where there is none."
        )
        parser.add_argument("--resume", type=Literal["auto"] | None, default=None, help=help_text)

    # Instantiation

    def before_instantiate_classes(self) -> None:
        """Limit the training, choose its precision, and refuse a GPU that is not there."""
        if self.subcommand not in (None, "fit") and self.checkpoint is None:
            raise ValueError(f"{self.subcommand} needs --ckpt_path: the file of a trained network, e.g. best.ckpt")
        trainer = self._get(self.config, "trainer")
        if trainer.max_epochs is None:
            limited = trainer.max_steps != -1 or trainer.max_time is not None
            trainer.max_epochs = -1 if limited else DEFAULT_EPOCHS
        self._precision_chosen = trainer.precision is None
        if trainer.precision is None:
            suited = self.subcommand == "fit"
            trainer.precision = suited_precision(trainer.accelerator) if suited else "32-true"
        if self.checkpoint is not None and self.subcommand == "fit":
            self._require_something_left(trainer)
        require_devices(trainer.accelerator, trainer.devices)
        require_sane(trainer, self.subcommand == "fit")

    def instantiate_classes(self) -> None:
        """Instantiate; whatever the trainer, data or network raise here is about the user's settings."""
        try:
            super().instantiate_classes()
        except USER_ERRORS:
            raise
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Trainer:
        own_logger = config["logger"] in (None, True)
        fitting = self.subcommand in (None, "fit")
        if own_logger and fitting and not config["fast_dev_run"]:
            config["logger"] = self._run_logger(config["default_root_dir"])
        elif own_logger:
            config["logger"] = False
        elif config["logger"] and fitting and not config["fast_dev_run"]:
            config["logger"] = with_a_folder(config["logger"], lambda: self._run_logger(config["default_root_dir"]))
        given = config["callbacks"] or []
        config["callbacks"] = given = given if isinstance(given, list) else [given]
        refuse_tuners(given)
        added = self._own_callbacks(fitting, config)
        added = [callback for callback in added if not any(type(callback) is type(other) for other in given)]
        trainer: Trainer = super()._instantiate_trainer(config, callbacks + added)
        keep_files_whole(trainer)
        if trainer.world_size > 1:
            bring_along()
        return trainer

    def _own_callbacks(self, fitting: bool, config: dict[str, Any]) -> list[Callback]:
        callbacks: list[Callback] = [QuietProcess(), StopAtNotFinite(), PredictionWriter()]
        if not fitting:
            callbacks.append(CheckpointStep())
        else:
            command, seed = "cifar-mlp " + " ".join(self.arguments), self.datamodule.seed
            text = self._parser(self.subcommand).dump(
                self.config.get(str(self.subcommand), self.config), skip_none=False
            )
            callbacks += [StepSeed(seed), RunRecord(seed, command, text), NetworkSummary(), AskedSettings()]
            if config["enable_checkpointing"] is not False and not config["fast_dev_run"]:
                callbacks += [BestCheckpoint()] if self.datamodule.num_val else []
                callbacks.append(LastCheckpoint())
        callbacks += self.views.callbacks() if config["logger"] else []
        bars = [callback for callback in config["callbacks"] if isinstance(callback, ProgressBar)]
        if not bars and config["enable_progress_bar"] is not False:
            callbacks.append(SparingProgressBar() if sys.stdout.isatty() else EpochLines())
        return callbacks

    @property
    def views(self) -> Views:
        """What TensorBoard shows."""
        views: Views = self._get(self.config_init, "views")
        return views

    # Running

    def before_fit(self) -> None:
        """Say what is about to run, and where."""
        if self.finished:
            print(f"{self.checkpoint_path}: this run is finished, nothing is left to train", flush=True)
            return
        if self._look_at_data is not None:
            self._look_at_data(self.datamodule)
        check_monitors(self.trainer, self.model, self.datamodule.num_val > 0)
        precision, seed = self.trainer.precision, self.datamodule.seed
        wanted = self._get(self.config, "fast_loop")
        obstacle = use_fast_loop(self.trainer, self.model) if wanted else "--fast_loop false"
        if obstacle is not None:
            use_exact_loop(self.trainer)
        loop = describe(obstacle)
        if not self.trainer.is_global_zero:
            return
        how = self._how_it_trains(loop)
        device, why = device_name(self.trainer.strategy.root_device), ""
        if self._precision_chosen:
            why = " (suits this machine; --trainer.precision chooses another)"
        parts = [f"{self.run_name()}: {device}", f"precision {precision}{why}", f"seed {seed}", *how.values()]
        print(", ".join([*parts, *self.found_in("train")]), flush=True)
        if self.datamodule.num_val == 0:
            count = f"all {self.datamodule.num_train:,} images"
            print(f"no validation: training on {count}, without a best epoch; the last epoch is tested", flush=True)

    def _how_it_trains(self, loop: str) -> dict[str, str]:
        """Gradients and loop in words, also for the run's record."""
        how = {"loop": loop}
        if isinstance(self.model, Classifier):
            if self.checkpoint is not None:
                self.model.keep_matmuls(self.checkpoint)
            how = {"gradients": self.model.describe_steps(self.trainer, self.datamodule.settings["batch_size"]), **how}
        trainer: Any = self.trainer
        for callback in trainer.callbacks:
            if isinstance(callback, RunRecord):
                callback.how = how
        return how

    def after_fit(self) -> None:
        """Say why training stopped early."""
        for callback in self.trainer.early_stopping_callbacks:
            reason = getattr(callback, "stopping_reason_message", None)  # one of an earlier part of the run is no news
            if reason and callback.stopped_epoch + 1 >= self.trainer.current_epoch and self.trainer.is_global_zero:
                print(f"stopped early: {reason.removesuffix(' Signaling Trainer to stop.')}", flush=True)


def _as_seed(seed_everything: Any) -> int:
    return DEFAULT_SEED if isinstance(seed_everything, bool) else seed_everything


def run(args: list[str] | None = None, before_fit: Callable[[CIFAR10DataModule], None] | None = None) -> CommandLine:
    """Run one command and return its trainer, network and data; a user's mistake raises.

    Args:
        args: As typed after ``cifar-mlp``; ``None`` takes them from the process.
        before_fit: Called with the data module before training starts.
    """
    quiet()
    if "" not in sys.path:
        sys.path.append("")  # --model my_file.MyModule is found in the working directory
    return CommandLine(args, before_fit=before_fit)


@answering_interrupts("cifar-mlp")
def main(args: list[str] | None = None) -> None:
    """Run one command; a user's mistake is one line and exit code 1 (CIFAR_MLP_DEBUG=1 shows where it came from)."""
    one_line_warnings()
    with errors_in_one_line():
        run(args)
