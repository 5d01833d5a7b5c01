"""The command line's parser: configs by name, and what is wrong in one line."""

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, NoReturn

import torch
import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli.messages import one_line
from cifar_mlp.cli.option_aliases import suggestion
from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.configs import find_config
from cifar_mlp.common.interruption import is_brought_along
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import Classifier

OTHER_COMMANDS = {
    "data": "Say what images there are and whether they are complete; download them.",
    "export": "Write a checkpoint as one file for other programs.",
    "demo": "Try a checkpoint on a page in the browser.",
    "seeds": "Train with several seeds, as one study.",
    "cv": "Cross-validate, as one study.",
    "compare": "Compare trainings or studies on the same images.",
    "sweep": "Search for settings.",
}
USER_ERRORS = (ValueError, OSError, MisconfigurationException)
SECTIONS = {"data": CIFAR10DataModule, "model": Classifier, "trainer": Trainer, "views": Views}

LINKS = {"num_features": "in_features", "num_classes": "num_classes", "metric_prefix": "metric_prefix"}
DEFAULT_MODEL = "cifar_mlp.models.Classifier"
FROM_THE_DATA = {f"--model.{prefix}{name}" for prefix in ("", "init_args.") for name in LINKS.values()}


def fail(message: str, code: int) -> NoReturn:
    """Print one line and exit."""
    print(f"cifar-mlp: error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn an error into one line and exit code 1; ``CIFAR_MLP_DEBUG=1`` shows where it came from."""
    try:
        yield
    except Exception as error:
        if os.environ.get("CIFAR_MLP_DEBUG"):
            raise
        if is_brought_along() and isinstance(error, USER_ERRORS):
            sys.exit(1)
        said = str(error)
        if not isinstance(error, USER_ERRORS):  # not foreseen: say what kind, and how to see more
            said = f"{type(error).__name__}: {said or 'no message'} (CIFAR_MLP_DEBUG=1 shows where)"
        fail(one_line(said), 1)


class NamedConfig(ActionConfigFile):
    """``--config`` with the path of a file, or the name of one of the package's configs."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Read the config; errors within it name the file."""
        try:
            path = find_config(values)
        except ValueError as error:
            parser.error(f"--{error}")
        parser.reading = f"--config {path}: "
        try:
            load_yaml(path.read_text())
        except yaml.YAMLError:
            pass  # the parser names the line
        except (ValueError, OSError) as error:
            parser.error(str(error))
        super().__call__(parser, cfg, str(path), option_string)
        for section in ("trainer", "data", "views"):  # whose settings the parser would ignore, or fail on later
            if not isinstance(cfg.get(section, Namespace()), Namespace):
                parser.error(f"{section} must hold settings by name, not {cfg[section]!r}")
        parser.reading = ""


class Parser(LightningArgumentParser):
    """Says what is wrong in one line."""

    reading = ""  # the config that is being read, for messages

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Without abbreviations: a misspelt option could pass as the beginning of another.
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """As always, with configs found by name too."""
        if kwargs.get("action") is ActionConfigFile:
            kwargs |= {"action": NamedConfig, "help": "Path of a config file, or a name such as q4_best."}
        return super().add_argument(*args, **kwargs)

    def add_subcommands(self, *args: Any, **kwargs: Any) -> Any:
        """As always, and the commands that have parsers of their own, for ``--help``."""
        commands = super().add_subcommands(*args, **kwargs)
        for name, about in OTHER_COMMANDS.items():
            commands.add_subcommand(name, ArgumentParser(), help=about)
        return commands

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the line and exit with code 2."""
        if not self.exit_on_error:  # the parser itself tries something
            super().error(message, ex)
        line = self.reading + one_line(message)
        options = [f"{key}.{name}" for key, kind in SECTIONS.items() for name in inspect.signature(kind).parameters]
        fail(line + suggestion(line, options), 2)

    def dump(self, cfg: Namespace, *args: Any, **kwargs: Any) -> str:
        """As always, also with a callback whose defaults YAML has no words for, such as Timer's."""
        return str(super().dump(_plain(cfg), *args, **kwargs))

    def _dump_delete_default_entries(self, subcfg: dict[str, Any], subdefaults: dict[str, Any]) -> None:
        """``--print_config=skip_default`` with a class against a default of ``None``, and a list against a tuple."""
        nothing: dict[str, Any] = {
            key: {} for key, value in subcfg.items() if isinstance(value, dict) and subdefaults.get(key) is None
        }
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in subdefaults.items()}
        super()._dump_delete_default_entries(subcfg, {**plain, **nothing})


def _plain(value: Any) -> Any:
    """The same settings with names for enumerations and devices."""
    if isinstance(value, Namespace):
        return Namespace(**{name: _plain(entry) for name, entry in vars(value).items()})
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value.value if isinstance(value, Enum) else str(value) if isinstance(value, torch.device) else value


def completed(arguments: Sequence[str], model: str = DEFAULT_MODEL) -> list[str]:
    """The arguments, with the package's own network as the one that is meant unless another is named.

    It is named first, not set as the parser's default: defaults of one class would remain when another is chosen.

    Args:
        arguments: As typed.
        model: The network that is meant; a checkpoint's, where there is one.

    Raises:
        ValueError: For options that the data decide; the parser would accept and ignore them.
    """
    for argument in arguments:
        option = argument.partition("=")[0]
        if option in FROM_THE_DATA:
            raise ValueError(f"{option} is taken from the data: drop it")
    given = [f"{argument}={DEFAULT_MODEL}" if argument == "--model.help" else argument for argument in arguments]
    position = 1 if given and not given[0].startswith("-") else 0
    return [*given[:position], f"--model={model}", *given[position:]]
