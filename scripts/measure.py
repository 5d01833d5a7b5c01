#!/usr/bin/env python
"""Run cards over seeds and keep their numbers, with provenance, in docs/results.json.

Runs that the file already holds, with the same settings and seed, are not repeated: an interrupted measurement goes
on where it stopped. Each run is an ordinary scripts/fit_and_test.py in a process of its own. Further options
go to every run and are kept with its numbers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cifar_mlp.messages import OneLineParser
from cifar_mlp.results import as_row, card_fingerprint, load_rows, run_key, save_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "docs" / "results.json"


def measure(card: Path, seed: int, extra: list[str]) -> dict:
    """Results of one run of ``card``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "fit_and_test.py"), "--config", str(card)]
        command += ["--seed_everything", str(seed), "--trainer.default_root_dir", folder, *extra]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{card.stem}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
        (found,) = Path(folder).rglob("results.json")
        return json.loads(found.read_text())


def main() -> None:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cards", nargs="+", type=Path, help="cards to run, e.g. configs/report/q4_*.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds to run each card with")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file (default: docs/results.json)")
    arguments, extra = parser.parse_known_args()
    for card in arguments.cards:
        if not card.is_file():
            parser.error(f"{card}: no such card")
    if arguments.output.is_dir() or any(seed < 0 for seed in arguments.seeds):
        parser.error("--output takes a file, and --seeds none below 0")
    rows = load_rows(arguments.output)
    present = {(row["card"], row["settings"], row["seed"], *row.get("options", [])) for row in rows}
    wanted = [(card, seed) for seed in arguments.seeds for card in arguments.cards]
    todo = [(card, seed) for card, seed in wanted if (card.stem, card_fingerprint(card), seed, *extra) not in present]
    print(f"{len(wanted)} runs wanted, {len(wanted) - len(todo)} of them already measured")
    for number, (card, seed) in enumerate(todo, 1):
        started = time.perf_counter()
        row = as_row(card, seed, measure(card, seed, extra)) | ({"options": extra} if extra else {})
        others = [other for other in load_rows(arguments.output) if run_key(other) != run_key(row)]
        save_rows(arguments.output, [*others, row])
        best, last = row["best"]["val/accuracy"], row["last"]["val/accuracy"]
        print(
            f"{number}/{len(todo)}  {card.stem}  seed {seed}  validation best {100 * best:.1f} last {100 * last:.1f} %"
            f"  {time.perf_counter() - started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
