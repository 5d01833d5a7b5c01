"""``benchmark.py views``: what share of a fit each of TensorBoard's views takes."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cifar_mlp import cli
from cifar_mlp.callbacks.stopwatch import Stopwatch
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli.warning_filters import quiet


class FitWithAFolder(cli.CommandLine):
    """The command line of a fit that must write a run's folder."""

    def before_fit(self) -> None:
        """Refuse a fit without one."""
        if self.trainer.logger is None:
            raise ValueError(
                "--trainer.logger false or --trainer.fast_dev_run leaves no run folder, which views are drawn into; "
                "drop it"
            )
        super().before_fit()


def run(options: argparse.Namespace) -> int:
    """Train once, and say what share of the time each of TensorBoard's views took.

    Raises:
        ValueError: For an option that cannot be, before anything is trained.
    """
    if any(option.split("=")[0] == "--output" for option in options.fit):
        raise ValueError("--output: views only prints its table; drop the option")
    stopwatch, make = Stopwatch(), Views.callbacks
    Views.callbacks = lambda self: [stopwatch.watch(view) for view in make(self)]  # type: ignore[method-assign]
    try:
        quiet()
        trainer = FitWithAFolder(["fit", *options.fit]).trainer
    finally:
        Views.callbacks = make  # type: ignore[method-assign]
    assert trainer.log_dir is not None, "views are drawn into a run's folder"
    whole = json.loads((Path(trainer.log_dir) / "provenance.json").read_text())["fit_seconds"]
    table = Table("view", "seconds", "% of the fit", title=f"What the views cost in a fit of {whole:.1f} s")
    spent = sorted(stopwatch.seconds.items(), key=lambda item: -item[1])
    for name, seconds in [*spent, ("all", sum(stopwatch.seconds.values()))]:
        table.add_row(name, f"{seconds:.2f}", f"{100 * seconds / whole:.1f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0
