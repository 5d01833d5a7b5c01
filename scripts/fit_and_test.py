#!/usr/bin/env python
"""Fit, validate and test a card. Takes the options of ``cifar-mlp fit``; without any it trains the report's best.

Where no CIFAR-10 can be had and nothing was asked for, it goes on with scikit-learn's digits, and says so.
"""

import os
import sys
from pathlib import Path

from cifar_mlp.cli import USER_ERRORS
from cifar_mlp.cli.fit_and_test import fit_and_test
from cifar_mlp.cli.messages import one_line
from cifar_mlp.cli.parser import fail
from cifar_mlp.data.download import DownloadFailedError

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


def main(arguments: list[str]) -> None:
    try:
        try:
            fit_and_test(arguments or ["--config", str(CONFIGS / "report" / "q4_best.yaml")])
        except DownloadFailedError as error:
            if arguments:
                raise
            print(f"cifar-mlp: {one_line(str(error))}", file=sys.stderr)
            print(
                "\n*** NOT CIFAR-10: going on with scikit-learn's 8 x 8 handwritten digits, "
                "configs/quickstart.yaml, to show that everything works ***\n",
                flush=True,
            )
            fit_and_test(["--config", str(CONFIGS / "quickstart.yaml")])
    except USER_ERRORS as error:
        if os.environ.get("CIFAR_MLP_DEBUG"):
            raise
        fail(one_line(str(error)), 1)


if __name__ == "__main__":
    main(sys.argv[1:])
