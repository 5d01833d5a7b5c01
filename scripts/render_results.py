#!/usr/bin/env python
"""Write measured numbers into the texts that show them: README.md, the configs of configs/report, docs/results.md,
docs/record.md, docs/log.md, docs/performance.md and docs/scaling.md, from docs/results.json, docs/record.json,
docs/parity/*.json and docs/performance/*/benchmark.json.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.reports.record_pictures import draw
from cifar_mlp.reports.record_rows import add_ensemble, add_runs
from cifar_mlp.reports.render import documents, sources_of

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Render; what is missing or broken is one line and exit code 2, before anything is written."""
    parser = OneLineParser(prog="render_results.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something would change")
    help_text = "first put runs of record configs into docs/record.json: the folders that scripts/fit.sh has left"
    parser.add_argument("--record", nargs="+", type=Path, default=[], metavar="RUN", help=help_text)
    help_text = "put the average of these runs, which are in docs/record.json, there too, as an ensemble"
    parser.add_argument("--ensemble", nargs="+", type=Path, default=[], metavar="RUN", help=help_text)
    help_text = "draw this run's last epoch on the test images into docs/record/; accuracy.png is drawn with any run"
    parser.add_argument("--pictures", type=Path, metavar="RUN", help=help_text)
    parser.add_argument("--busy", action="store_true", help="other work ran beside those runs: do not keep their times")
    options = parser.parse_args(arguments)
    check = options.check
    try:
        if options.record:
            add_runs(ROOT / "docs" / "record.json", options.record, ROOT / "configs" / "record", options.busy)
        if options.ensemble:
            add_ensemble(ROOT / "docs" / "record.json", options.ensemble, ROOT / "configs" / "record")
        if options.record or options.ensemble or options.pictures is not None:
            record, speed = (
                json.loads((ROOT / "docs" / name).read_text())
                for name in ("record.json", "performance/record/benchmark.json")
            )
            for path in draw(record, speed, options.pictures, ROOT / "docs" / "record"):
                print(f"{path.relative_to(ROOT)}: drawn")
        changed = [(path, text) for path, text in documents(ROOT).items() if path.read_text() != text]
        for path, text in changed:
            if not check:
                write_whole(text, path)
            verb = "differs from" if check else "written from"
            print(f"{path.relative_to(ROOT)}: {verb} {', '.join(sources_of(text))}")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
