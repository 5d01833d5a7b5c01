"""The evidence that the hand-derived gradients are right: the report's toy numbers, and a comparison everywhere.

python scripts/parity.py toy
python scripts/parity.py compare --output parity_report
python scripts/parity.py check homework.py:loss_and_gradients --sizes 11-8-5:57
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.interruption import BY_INTERRUPT
from cifar_mlp.common.json_files import write_json_rows
from cifar_mlp.common.parallel_runs import cores
from cifar_mlp.common.provenance import environment
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.parity.check.folder import UNUSABLE, ResultTable, check_apart
from cifar_mlp.parity.check.report import Report
from cifar_mlp.parity.check.submission import check_file, parse_widths
from cifar_mlp.parity.compare import DEVICES, DTYPES, Evidence, compare
from cifar_mlp.parity.evidence.cases import DEFAULT_SIZES
from cifar_mlp.parity.evidence.matmul_precision import full_precision
from cifar_mlp.parity.evidence.toy_figures import toy_figures
from cifar_mlp.pictures.over_seeds import loss_curve
from cifar_mlp.pictures.style import save_figure
from cifar_mlp.reports.parity_pictures import gradient_errors
from cifar_mlp.reports.parity_report import as_document, as_markdown, summary

WIDTH_OF_A_FILE = 140
FUNCTION = "loss_and_gradients"
CODES = {"right": 0, "another function": 0, "wrong": 1, "loss wrong": 1, "inconclusive": 3, UNUSABLE: 2}
CHECK_OPTIONS = ("regularization", "penalty", "reduction", "penalize_biases", "activation", "normalization", "dropout",
                 "seed")  # fmt: skip


def toy(options: argparse.Namespace, console: Console) -> int:
    """Print the report's numbers and ours, and draw the loss curve; 1 if a number differs."""
    figures, losses = toy_figures()
    table = Table("number", "report", "ours", "required agreement", "verdict", title="The report's toy problem")
    for figure in figures:
        verdict = "met" if figure.held else "MISSED"
        table.add_row(figure.name, figure.report, repr(figure.ours), figure.rule, verdict)
    console.print(table)
    figure = loss_curve(losses, f"Toy training: {losses[0]:.6f} to {losses[-1]:.6f}")
    save_figure(figure, options.figure)
    print(f"Figure 1, the loss curve: {options.figure}")
    missed = [figure.name for figure in figures if not figure.held]
    for name in missed:
        print(f"parity.py: missed: {name}", file=sys.stderr)
    return 1 if missed else 0


def compare_everything(options: argparse.Namespace, console: Console) -> int:
    """Compare, plant faults, print, write to ``--output``; 1 if a check fails."""
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
    with console.status("starting") as status:
        evidence = compare(
            options.devices,
            options.dtypes,
            options.sizes,
            options.seed,
            show_tf32=options.tf32,
            self_test=True,
            progress=lambda step: _say(step, console, status.update),
        )
    console.print(Markdown(summary(evidence)))
    if options.output is not None:
        _write(evidence, options)
        print(f"written: {options.output}")
    for failure in evidence.failures:
        print(f"parity.py: failed: {failure}", file=sys.stderr)
    return 1 if evidence.failures else 0


def check(options: argparse.Namespace, console: Console) -> int:
    """Check a backward pass, or a folder of them; 1 if it is wrong, 2 if it cannot be used."""
    parse_widths(options.sizes)
    target, name = options.target.rsplit(":", 1) if ":" in options.target else (options.target, FUNCTION)
    chosen = {option: getattr(options, option) for option in CHECK_OPTIONS}

    def one(file: Path) -> Report:
        return check_file(file, name, options.sizes, **chosen)

    if Path(target).is_dir():
        return _check_folder(Path(target), one, options)
    if options.csv is not None:
        raise ValueError(f"--csv: needs a folder, {target} is none")
    outcome = next(check_apart([Path(target)], one, options.seconds, 1))
    print(outcome.text, file=sys.stderr if outcome.verdict == UNUSABLE else sys.stdout)
    return CODES[outcome.verdict]


def _check_folder(folder: Path, one: Callable[[Path], Report], options: argparse.Namespace) -> int:
    if options.csv is None:
        raise ValueError("--csv: a folder needs it: where to write one row a file")
    files = sorted(path for path in folder.rglob("*.py") if not path.name.startswith((".", "__")))
    if not files:
        raise ValueError(f"{folder}: holds no Python file")
    table = ResultTable(options.csv)
    waiting = [file for file in files if str(file) not in table.done]
    if len(waiting) < len(files):
        print(f"{len(files) - len(waiting)} rows are in {options.csv} already and are kept", file=sys.stderr)
    try:
        for number, outcome in enumerate(check_apart(waiting, one, options.seconds, cores()), start=1):
            table.add(outcome)
            line = f"[{number} of {len(waiting)}] {outcome.file}: {outcome.verdict}"
            print(f"{line}: {outcome.cause}" if outcome.cause else line, file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"parity.py: interrupted; the rows in {options.csv} are kept, the same command resumes", file=sys.stderr)
        return BY_INTERRUPT
    finally:
        table.close()
    print(f"written: {options.csv}")
    return 0


def _say(step: str, console: Console, update) -> None:  # type: ignore[no-untyped-def]
    if console.is_terminal:
        update(step)
    else:
        print(step, file=sys.stderr, flush=True)


def _write(evidence: Evidence, options: argparse.Namespace) -> None:
    with full_precision():
        surroundings = environment(options.devices, options.seed)
    arguments = {name: value for name, value in vars(options).items() if name not in ("run", "output")}
    document = as_document(evidence, surroundings, arguments)
    write_json_rows(options.output / "parity.json", document, ("rows", "not_run"))
    write_whole(as_markdown(evidence, surroundings, "parity.png"), options.output / "parity.md")
    save_figure(gradient_errors(evidence.rows, options.sizes), options.output / "parity.png")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = OneLineParser(prog="parity.py", description=__doc__.splitlines()[0])
    jobs = root.add_subparsers(dest="job", required=True)
    one = jobs.add_parser("toy", help="the report's toy numbers and ours")
    one.add_argument("--figure", type=Path, default=Path("toy_loss.png"), help="where to draw the loss curve (PNG)")
    one.set_defaults(run=toy)
    two = jobs.add_parser("compare", help="hand-derived gradients on every device and dtype against float64 autograd")
    two.add_argument("--devices", nargs="+", choices=DEVICES, default=DEVICES, help="an absent one is not run")
    two.add_argument("--dtypes", nargs="+", choices=tuple(DTYPES), default=tuple(DTYPES))
    two.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, metavar="SIZE", help="toy or D-H-C[:N]")
    two.add_argument("--seed", type=int, default=0, help="of everything drawn")
    two.add_argument("--tf32", action="store_true", help="show the error of TF32; simulated off the GPU")
    two.add_argument("--output", type=Path, metavar="DIR", help="write parity.json, parity.md and parity.png here")
    two.set_defaults(run=compare_everything)
    three = jobs.add_parser("check", help="your own backward pass, or a folder of them; executes that code")
    three.add_argument("target", metavar="FILE:NAME", help=f"a function or a class; or a folder[:{FUNCTION}]")
    three.add_argument("--sizes", default="11-8-5:57", metavar="D-H-C:N", help="widths of all layers, and the examples")
    three.add_argument("--regularization", type=float, default=0.05, help="lambda")
    three.add_argument("--penalty", choices=("full", "half", "none"), default="full", help="of lambda ||w||^2")
    three.add_argument("--reduction", choices=("mean", "sum"), default="mean", help="over the examples")
    three.add_argument("--penalize_biases", action="store_true", help="the penalty counts biases")
    three.add_argument("--activation", help="found from the loss if not given")
    three.add_argument("--normalization", choices=("batch", "layer"), help="with gamma and beta")
    three.add_argument("--dropout", type=float, default=0.0, help="probability; the function then takes the masks")
    three.add_argument("--seed", type=int, default=0, help="of everything drawn")
    three.add_argument("--seconds", type=float, default=60.0, help="limit of each file")
    three.add_argument("--csv", type=Path, metavar="FILE", help="of a folder: file, verdict, tensor, cause")
    three.set_defaults(run=check)
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
