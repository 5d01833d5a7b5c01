#!/usr/bin/env python
"""Search for settings: draw trials, run each as an ordinary cifar-mlp fit, and write the best config.

python scripts/sweep.py configs/sweeps/q3.yaml

Killed and started again it goes on. The same command started several times, or on several machines that see the same
--storage, shares the trials. Test images are never looked at.
"""

import argparse
import os
import sys
from pathlib import Path

import optuna
from rich.console import Console

from cifar_mlp.cli import USER_ERRORS
from cifar_mlp.cli.messages import one_line
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.sweep.ending import candidate_lines, write_best_config, write_pictures
from cifar_mlp.sweep.search import run_sweep
from cifar_mlp.sweep.space import read_space
from cifar_mlp.sweep.table import WIDTH, trial_table


def main(given: list[str] | None = None) -> int:
    """Sweep; a mistake is one line and exit code 1."""
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="SWEEP", help="sweep file, e.g. configs/sweeps/q3.yaml")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of trials, config, pictures; default sweeps/NAME"
    )
    parser.add_argument(
        "--storage",
        metavar="WHERE",
        help="journal file, default DIR/journal.log, or postgresql://USER:PASSWORD@HOST/DATABASE",
    )
    options = parser.parse_args(given)
    console = Console(width=None if Console().is_terminal else WIDTH)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        space = read_space(options.file)
        output = options.output or Path("sweeps") / space.name
        found = run_sweep(space, options.storage or str(output / "journal.log"), output, console)
        if not console.is_terminal:
            console.print(trial_table(found.trials))
        for line in candidate_lines(space, found.candidates):
            console.print(line, highlight=False, soft_wrap=True)
        pictures = write_pictures(space, space.name, found.trials, output)
        config = write_best_config(space, found, output)
    except USER_ERRORS as error:
        if os.environ.get("CIFAR_MLP_DEBUG"):
            raise
        print(f"sweep.py: {one_line(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sweep.py: stopped; the same command goes on", file=sys.stderr)
        return 130
    print(f"pictures: {', '.join(str(path) for path in pictures)}\nbest config: {config}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
