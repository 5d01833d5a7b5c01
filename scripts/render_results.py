#!/usr/bin/env python
"""Write the measured numbers of docs/results.json into the cards, README.md and docs/results.md."""

import sys
from pathlib import Path

from cifar_mlp.messages import OneLineParser
from cifar_mlp.results_text import documents

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = OneLineParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something would change")
    check = parser.parse_args().check
    changed = [(path, text) for path, text in documents(ROOT).items() if path.read_text() != text]
    for path, text in changed:
        print(f"{path.relative_to(ROOT)}: {'differs from' if check else 'written from'} docs/results.json")
        if not check:
            path.write_text(text)
    sys.exit(1 if check and changed else 0)


if __name__ == "__main__":
    main()
