"""Measurements of speed and memory, one subcommand each.

python scripts/benchmark.py train --output report/train
python scripts/benchmark.py train --only ours plain --inputs pca --rounds 20
python scripts/benchmark.py pca|scaling|processes|record|parity --output DIR
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cifar_mlp.common.script_parser import OneLineParser

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "report" / "q4_best.yaml"


def parser() -> OneLineParser:
    """The command line."""
    from cifar_mlp.benchmarks.jobs import JOBS  # takes seconds, in which Ctrl-C must be answered too

    root = OneLineParser(prog="benchmark.py", description=__doc__.splitlines()[0])
    jobs = root.add_subparsers(dest="job", required=True)
    for name, job in JOBS.items():
        options = jobs.add_parser(name, help=job.help, description=job.help)
        job.add_options(options)
        options.add_argument("--output", type=folder, metavar="DIR", help="folder for the numbers and a picture")
        options.set_defaults(config=CONFIG)
    return root


def folder(name: str) -> Path:
    """``--output`` as a path."""
    if not name:
        raise argparse.ArgumentTypeError("the name is empty; name a folder that can be written")
    return Path(name)


def require_writable(output: Path) -> None:
    """Check that the folder can be created and written; leave no trace, since the job may still fail."""
    created: list[Path] = []
    try:
        created += [path for path in (output, *output.parents) if not path.exists()]
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise ValueError(f"--output {output}: {error.strerror}; name a folder that can be written") from error
    finally:
        for path in created:
            with suppress(OSError):
                path.rmdir()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; exit codes: 2 for a bad option, 1 for a failure or disagreement, 130 when interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that processes and folders are removed
    try:
        options = parser().parse_args(arguments)
        from cifar_mlp.benchmarks.jobs import run

        if options.output is not None:
            require_writable(options.output)
        return run(options)
    except KeyboardInterrupt:
        print("benchmark.py: stopped", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
