"""Write the report of a reproduction from its results file."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.durations import in_words
from cifar_mlp.common.results import Document, Row, days, same
from cifar_mlp.reproduction import tables
from cifar_mlp.reproduction.page import as_html
from cifar_mlp.reproduction.plan import STUDIES
from cifar_mlp.reproduction.result_plots import Picture, draw
from cifar_mlp.reproduction.statements import judged
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.verdicts import judge_all

QUICK_NOTE = (
    "**This is a quick run: one seed, one epoch of 49,000 images each. It shows that everything works; its accuracies "
    "are not those of the report's settings, and nothing is judged.**"
)
RULE = (
    "At the last epoch, mean ± standard deviation over seeds. "
    "The report's figure is one training, measured on 1,000 images. It is compared with the 95 % interval of one more "
    "run of ours: **reproduced** if it is within, and the seeds scatter no more than 1,000 images do; **within the "
    "noise of 1,000 images** if it is within once the binomial error of 1,000 images is added; **not reproduced** "
    "otherwise; not judged below three seeds. Half a unit of the report's last digit is allowed; where the "
    "report says above (≥), only falling short counts."
)
HOW_PAIRED = (
    "The same seeds under two settings: first minus second, in points of accuracy. The interval and p are of Student's "
    "paired t-test, two-sided (against the margin where there is one, one-sided). A comparison holds if the whole 95 % "
    "interval is on the expected side; it does not hold if the whole interval, widened for the number of comparisons "
    "of the statement, is on the other. A statement holds if all its comparisons hold, and does not if one does not. "
    "Validation images are the same 1,000 throughout, so this is about these images and any seed."
)


def outcome(document: Document, pictures: Iterable[Picture], below: Path) -> str:
    """Figures, statements, studies, pictures and provenance in Markdown.

    Args:
        document: Content of a results file.
        pictures: Drawn from it.
        below: Folder of the page, where the pictures' paths start.
    """
    rows, toy = document["runs"], document.get("toy")
    figures, statements = judge_all(rows), judged(rows)
    parts = [tables.tally(figures, statements, toy)]
    if toy is not None:
        parts += ["## Questions 1, 2 and 3a: the toy", tables.toy_table(toy)]
    if figures:
        parts += ["## Questions 3b and 4: accuracies", tables.figures_table(figures), RULE]
    parts += ["## What the report says in words", tables.statements_summary(statements), HOW_PAIRED]
    for one in statements:
        if one.parts:
            parts += [f"### {one.words}: {one.verdict}", one.note, tables.statement_table(one)]
    studies = [
        f"### {study.title}\n\n{table}" for name, study in STUDIES.items() if (table := tables.study_table(name, rows))
    ]
    parts += ["## Side studies", *studies] if studies else []
    shown = [f"![{picture.caption}]({picture.path.relative_to(below).as_posix()})" for picture in pictures]
    parts += ["## Pictures", *shown] if shown else []
    parts += ["## Where the numbers come from", sources(rows)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def sources(rows: Sequence[Row]) -> str:
    """Commit, machine, versions, time."""
    if not rows:
        return "No run yet."
    spent = sum(float(row["wall_seconds" if "wall_seconds" in row else "fit_seconds"]) for row in rows)
    return (
        f"{len(rows)} runs, {in_words(spent)} of them together; {days(rows)}; {same(rows, 'device')}; precision "
        f"{same(rows, 'precision')}; torch {same(rows, 'torch')}, lightning {same(rows, 'lightning')}; commit "
        f"{same(rows, 'commit')}. Every run with its config, seed, settings and times: `results.json`."
    )


def write_report(store: Store) -> list[Picture]:
    """Draw and write ``report.md`` and ``report.html``; returns the pictures."""
    document = store.current()
    losses = document["toy"]["losses"] if "toy" in document else None
    pictures = draw(document["runs"], losses, store.folder, store.quick)
    head = "# The report, reproduced (quick: one epoch, one seed)\n\n" + QUICK_NOTE
    text = (head if store.quick else "# The report, reproduced") + "\n\n" + outcome(document, pictures, store.folder)
    write_whole(text, store.folder / "report.md")
    write_whole(as_html(text, store.folder), store.folder / "report.html")
    return pictures
