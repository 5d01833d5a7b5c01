"""What the run is, in words: TensorBoard's text tab."""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from lightning.pytorch import Callback

from cifar_mlp.callbacks.board import board
from cifar_mlp.common.provenance import commit, device_name, provenance

PACKAGES = ("torch", "lightning", "torchmetrics", "numpy", "scikit-learn", "matplotlib", "tensorboard")


class RunText(Callback):
    """Writes the texts ``run/config``, ``run/commit``, ``run/provenance`` and ``run/environment``."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write them, at the step that this run or its resumption starts from; its files have been written by now."""
        here = board(trainer, pl_module)
        if here is None:
            return
        config, record = here.folder / "config.yaml", here.folder / "provenance.json"
        facts = json.loads(record.read_text()) if record.is_file() else provenance(trainer.strategy.root_device)
        texts = {
            "commit": f"`{facts.get('commit') or commit() or 'not from a git checkout'}`",
            "provenance": table(facts),
            "environment": table(environment(trainer.strategy.root_device)),
        }
        if config.is_file():
            texts["config"] = code(config.read_text())
        for name, text in texts.items():
            here.writer.add_text(f"run/{name}", text, trainer.global_step)


def environment(device: torch.device) -> dict[str, str]:
    """The machine and the versions that the run stands on."""
    facts = {"device": device_name(device), "system": platform.platform(), "python": sys.version.split()[0]}
    facts["threads"] = str(torch.get_num_threads())
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts | {"torch": str(torch.__version__)}  # names the build too


def table(facts: dict[str, Any]) -> str:
    """A Markdown table of two columns."""
    rows = [f"| {name} | {str(value).replace('|', chr(92) + '|')} |" for name, value in facts.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def code(text: str) -> str:
    """Markdown that shows text as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())
