"""Measurements of speed and memory, one subcommand each.

python scripts/benchmark.py train --output report/train
python scripts/benchmark.py train --only ours plain --inputs pca --rounds 20
python scripts/benchmark.py pca|startup|scaling|parity --output DIR
python scripts/benchmark.py views --config configs/report/q4_best.yaml
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from cifar_mlp.benchmarks import parity_job, pca_job, scaling_job, startup_job, train_job, views_job
from cifar_mlp.messages import OneLineParser

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
        job.add_argument("--output", type=Path, metavar="DIR", help="for benchmark.json, benchmark.md and plots")
        job.set_defaults(run=module.run, card=CARD)
    job = jobs.add_parser("views", help="what TensorBoard's views cost; takes the options of cifar-mlp fit")
    job.set_defaults(run=views_job.run)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; a bad option is one line and exit code 2, a disagreement 1."""
    options, fit = parser().parse_known_args(arguments)
    if fit and options.job != "views":
        parser().error(f"unrecognized arguments: {' '.join(fit)}")
    options.fit = fit
    try:
        code: int = options.run(options)
    except (ValueError, OSError) as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
