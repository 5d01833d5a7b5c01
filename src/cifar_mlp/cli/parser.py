"""The command line's parser: what is wrong stands in one line."""

import inspect
import sys
from typing import Any, NoReturn

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli.messages import one_line, suggestion
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import Classifier


def fail(message: str, code: int) -> NoReturn:
    """Print one line and leave."""
    print(f"cifar-mlp: error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


class Parser(LightningArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)  # else a misspelt option may pass as another's beginning

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the line and leave with exit code 2."""
        if not self.exit_on_error:  # a try of the parser's own
            super().error(message, ex)
        line = one_line(message)
        options = [
            f"{key}.{name}"
            for key, kind in (
                ("data", CIFAR10DataModule),
                ("model", Classifier),
                ("trainer", Trainer),
                ("views", Views),
            )
            for name in inspect.signature(kind).parameters
        ]
        fail(line + suggestion(line, options), 2)

    def _dump_delete_default_entries(self, subcfg: dict[str, Any], subdefaults: dict[str, Any]) -> None:
        """``--print_config=skip_default`` would fail where a class stands against a default of ``None``."""
        nothing: dict[str, Any] = {
            key: {} for key, value in subcfg.items() if isinstance(value, dict) and subdefaults.get(key) is None
        }
        super()._dump_delete_default_entries(subcfg, {**subdefaults, **nothing})
