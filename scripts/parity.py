"""The evidence that the gradients by hand are right: the report's toy figures, and the comparison everywhere.

python scripts/parity.py toy
python scripts/parity.py compare --output parity_report
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.parity.compare import DEVICES, DTYPES, compare
from cifar_mlp.parity.evidence.cases import DEFAULT_SIZES
from cifar_mlp.parity.evidence.environment import environment
from cifar_mlp.parity.evidence.findings import Comparison
from cifar_mlp.parity.evidence.plot import plot_errors, plot_losses
from cifar_mlp.parity.evidence.precision import full_precision
from cifar_mlp.parity.evidence.report import as_dict, as_markdown, print_report, write_json
from cifar_mlp.parity.evidence.toy_figures import toy_figures

WIDTH_OF_A_FILE = 140


def toy(options: argparse.Namespace, console: Console) -> int:
    """Print the report's figures beside ours and draw the loss curve; 1 if a figure is missed."""
    figures, losses = toy_figures()
    table = Table("figure", "report", "ours", "agreement", "verdict", title="The report's toy problem")
    for figure in figures:
        verdict = "held" if figure.held else "MISSED"
        table.add_row(figure.name, figure.report, repr(figure.ours), figure.rule, verdict)
    console.print(table)
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    plot_losses(losses, options.figure)
    print(f"Figure 1, the loss curve: {options.figure}")
    missed = [figure.name for figure in figures if not figure.held]
    for name in missed:
        print(f"parity.py: missed: {name}", file=sys.stderr)
    return 1 if missed else 0


def compare_everything(options: argparse.Namespace, console: Console) -> int:
    """Compare, print, write what was asked for; 1 if a gate fails."""
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
    with console.status("starting") as status:
        comparison = compare(
            options.devices,
            options.dtypes,
            options.sizes,
            options.seed,
            show_tf32=options.tf32,
            progress=lambda step: _say(step, console, status.update),
        )
    print_report(comparison, console)
    if options.output is not None:
        _write(comparison, options)
        print(f"written: {options.output}")
    for failure in comparison.failures:
        print(f"parity.py: gate failed: {failure}", file=sys.stderr)
    return 1 if comparison.failures else 0


def _say(step: str, console: Console, update) -> None:  # type: ignore[no-untyped-def]
    if console.is_terminal:
        update(step)
    else:
        print(step, file=sys.stderr, flush=True)


def _write(comparison: Comparison, options: argparse.Namespace) -> None:
    with full_precision():
        surroundings = environment(options.devices, options.seed)
    arguments = {
        name: list(value) if isinstance(value, (list, tuple)) else value
        for name, value in vars(options).items()
        if name not in ("run", "output")
    }
    write_json(as_dict(comparison, surroundings, arguments), options.output / "parity.json")
    plot_errors(comparison.rows, options.sizes, options.output / "parity.png")
    write_whole(as_markdown(comparison, surroundings, "parity.png"), options.output / "parity.md")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = OneLineParser(prog="parity.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    jobs = root.add_subparsers(dest="job", required=True)
    one = jobs.add_parser("toy", help="the report's toy figures beside ours")
    one.add_argument("--figure", type=Path, default=Path("toy_loss.png"), help="loss curve (PNG)")
    one.set_defaults(run=toy)
    two = jobs.add_parser("compare", help="every witness, device and dtype against float64 by hand")
    two.add_argument("--devices", nargs="+", choices=DEVICES, default=DEVICES, help="absent: 'not run'")
    two.add_argument("--dtypes", nargs="+", choices=tuple(DTYPES), default=tuple(DTYPES))
    two.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, metavar="SIZE", help="toy or D-H-C[:N]")
    two.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    two.add_argument("--tf32", action="store_true", help="show what TF32 costs; simulated off the GPU")
    two.add_argument("--output", type=Path, metavar="DIR", help="for parity.json, .md and .png")
    two.set_defaults(run=compare_everything)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; a bad option is one line and exit code 2."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options, Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE))
    except (ValueError, OSError) as error:
        print(f"parity.py: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
