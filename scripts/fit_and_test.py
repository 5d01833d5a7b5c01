#!/usr/bin/env python
"""Fit, validate and test. Takes the options of ``cifar-mlp fit``; without ``--config``: the report's best network.

If CIFAR-10 cannot be downloaded and there were no options, it trains on scikit-learn's digits instead, and says so.
"""

import sys

from cifar_mlp.common.interruption import answering_interrupts, end_at_interrupt, end_with_parent


def main(arguments: list[str]) -> None:
    # takes seconds, in which Ctrl-C must be answered too
    from cifar_mlp.cli.fit_and_test import fit_and_test
    from cifar_mlp.cli.messages import one_line
    from cifar_mlp.cli.parser import errors_in_one_line
    from cifar_mlp.data.download.whole_archive import DownloadFailedError

    options = [argument.partition("=")[0] for argument in arguments]
    named = any(option in ("--config", "--ckpt_path") for option in options)
    named |= bool(options) and not options[0].startswith("-")  # a file named alone
    with answering_interrupts("cifar-mlp"), errors_in_one_line():
        try:
            fit_and_test(arguments if named else ["--config", "q4_best", *arguments])
        except DownloadFailedError as error:
            if arguments:
                raise
            print(f"cifar-mlp: {one_line(str(error))}", file=sys.stderr)
            print(
                "\n*** NOT CIFAR-10: training on scikit-learn's 8 x 8 handwritten digits instead "
                "(configs/quickstart.yaml), to show that everything works ***\n",
                flush=True,
            )
            fit_and_test(["--config", "quickstart"])


if __name__ == "__main__":
    end_at_interrupt("cifar-mlp")
    end_with_parent()
    main(sys.argv[1:])
