"""``cifar-mlp sweep``: search for settings.

Draws trials, runs each as an ordinary cifar-mlp fit, and writes the best config.

cifar-mlp sweep configs/sweeps/q3.yaml

Killed and started again it continues. The same command started several times, or on several machines that see the same
--storage, shares the trials. Test images are never looked at.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.script_parser import OneLineParser

ABOUT = str(__doc__).partition("\n\n")[2]


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str]) -> None:
    """Sweep; a mistake is one line and exit code 1."""
    parser = OneLineParser(prog="cifar-mlp sweep", description=ABOUT)
    parser.add_argument("file", type=Path, metavar="SWEEP", help="sweep file, e.g. configs/sweeps/q3.yaml")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of trials, config, pictures; default sweeps/NAME"
    )
    parser.add_argument(
        "--storage",
        metavar="WHERE",
        help="journal file, default DIR/journal.log, or postgresql://USER:PASSWORD@HOST/DATABASE",
    )
    options = parser.parse_args(arguments)
    try:
        with errors_in_one_line():
            _sweep(options.file, options.output, options.storage)
    except KeyboardInterrupt as error:
        error.add_note("the same command resumes")
        raise


def _sweep(file: Path, output: Path | None, storage: str | None) -> None:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ValueError("sweep needs Optuna: pip install 'cifar-mlp[sweep]'") from error

    from cifar_mlp.sweep.outputs import candidate_lines, write_best_config, write_pictures
    from cifar_mlp.sweep.search import run_sweep
    from cifar_mlp.sweep.sweep_file import read_space
    from cifar_mlp.sweep.table import WIDTH, trial_table

    console = Console(width=None if Console().is_terminal else WIDTH)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = read_space(file)
    output = output or Path("sweeps") / space.name
    found = run_sweep(space, storage or str(output / "journal.log"), output, console)
    if not console.is_terminal:
        console.print(trial_table(found.trials))
    for line in candidate_lines(space, found.candidates):
        console.print(line, highlight=False, soft_wrap=True)
    pictures = write_pictures(space, space.name, found.trials, output)
    config = write_best_config(space, found, output)
    print(f"pictures: {', '.join(str(path) for path in pictures)}\nbest config: {config}", flush=True)
