#!/usr/bin/env python
"""Leave out each ingredient of a record config in turn, train with some seeds, and show what it is worth on validation.

python scripts/ablation.py --config record/cpu_2min --trainer.max_epochs 12
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from cifar_mlp.cli import USER_ERRORS
from cifar_mlp.common.configs import find_config
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.studies.ablation import ingredients, measure, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing and print the table; a mistake is one line and exit code 1."""
    epilog = "All further options are those of cifar-mlp fit. Interrupted, the same command resumes."
    parser = OneLineParser(description=__doc__, epilog=epilog)
    parser.add_argument("--config", required=True, help="a file, or a config's name, such as record/cpu_2min")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 (default: 3)")
    parser.add_argument("--output", type=Path, default=Path("studies/ablation"), help="default: studies/ablation")
    options, of_fit = parser.parse_known_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {options.seeds}")
    try:
        config = find_config(options.config)
        shared = ["--config", options.config, "--views.all", "false", *of_fit]
        print(table(measure(shared, range(options.seeds), options.output, ingredients(config))))
    except USER_ERRORS as error:
        print(f"ablation.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
