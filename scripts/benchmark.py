"""Measurements of speed and memory, one subcommand each.

python scripts/benchmark.py train --output report/train
python scripts/benchmark.py train --only ours plain --inputs pca --rounds 20
python scripts/benchmark.py pca|startup|scaling|parity --output DIR
python scripts/benchmark.py views --config configs/report/q4_best.yaml
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cifar_mlp.benchmarks import parity_job, pca_job, scaling_job, startup_job, train_job, views_job
from cifar_mlp.common.script_parser import OneLineParser

CARD = Path(__file__).resolve().parent.parent / "configs" / "report" / "q4_best.yaml"
JOBS = {
    "train": (train_job, "images a second of this package's training and of others'"),
    "pca": (pca_job, "fitting principal components: seconds, memory and errors, beside scikit-learn's"),
    "startup": (startup_job, "seconds until the help text and until the first training step; imports"),
    "scaling": (scaling_job, "images a second by batch size, width, depth, data size and threads"),
    "parity": (parity_job, "gradients by hand against autograd against NumPy"),
}


def parser() -> OneLineParser:
    """The command line."""
    root = OneLineParser(prog="benchmark.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    jobs = root.add_subparsers(dest="job", required=True)
    for name, (module, words) in JOBS.items():
        job = jobs.add_parser(name, help=words, description=words, allow_abbrev=False)
        module.add_options(job)
        job.add_argument("--output", type=folder, metavar="DIR", help="for benchmark.json, benchmark.md and plots")
        job.set_defaults(run=module.run, card=CARD)
    words = "what TensorBoard's views cost; takes the options of cifar-mlp fit"
    usage, more = "benchmark.py views [-h] [OPTION OF FIT ...]", "The options of a fit: cifar-mlp fit --help"
    job = jobs.add_parser("views", help=words, usage=usage, description=words, epilog=more, allow_abbrev=False)
    job.set_defaults(run=views_job.run, output=None)
    return root


def folder(name: str) -> Path:
    """``--output`` as a path."""
    if not name:
        raise argparse.ArgumentTypeError("the name is empty; name a folder that can be written")
    return Path(name)


def require_writable(output: Path) -> None:
    """See that the folder can be made and written, and leave things as they were: a job may yet fail."""
    made: list[Path] = []
    try:
        made += [place for place in (output, *output.parents) if not place.exists()]
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise ValueError(f"--output {output}: {error.strerror}; name a folder that can be written") from error
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; a bad option is one line and exit code 2, a disagreement 1, an interruption 130."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary folders go and processes end
    options, fit = parser().parse_known_args(arguments)
    if fit and options.job != "views":
        parser().error(f"unrecognized arguments: {' '.join(fit)}")
    options.fit = fit
    try:
        if options.output is not None:
            require_writable(options.output)
        code: int = options.run(options)
    except KeyboardInterrupt:
        print("benchmark.py: stopped; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
