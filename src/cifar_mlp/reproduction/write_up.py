"""Write the report of a reproduction from its results file."""

from collections.abc import Sequence

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.results import Document, Row, same
from cifar_mlp.reproduction import verdicts
from cifar_mlp.reproduction.blocks import Block, Heading, Picture, Text, as_html, as_markdown
from cifar_mlp.reproduction.plan import QUICK, STUDIES
from cifar_mlp.reproduction.pool import in_words
from cifar_mlp.reproduction.result_plots import draw
from cifar_mlp.reproduction.statements import judged
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.tables import (
    figures_table,
    statement_table,
    statements_summary,
    study_table,
    tally,
    toy_table,
)  # fmt: skip

STUDY_TITLES = {
    "depth": "Depth, at equal epochs", "dropout": "Dropout on 550-128-100", "activation": "Activations on 550-128-100",
    "rate": "Learning rate against epochs (3b)", "width": "Hidden width (3b)",
    "components": "Components, and PCA against none, at equal settings (3b)",
    "precision": "Precision: bf16-mixed against 32-true",
}  # fmt: skip
QUICK_NOTE = (
    "**This is a quick run: one seed, one epoch of 49,000 images each. It shows that everything works; its accuracies "
    "are not those of the report's settings, and nothing is judged.**"
)
HOW_PAIRED = (
    "The same seeds under two settings: first minus second, in points of accuracy. The interval and p are of Student's "
    "paired t-test, two-sided (against the margin where there is one, one-sided). A comparison holds if the whole 95 % "
    "interval lies on the expected side; it does not hold if the whole interval, widened for the number of comparisons "
    "of the statement, lies on the other. A statement holds if all its comparisons hold, and does not if one does not. "
    "Validation images are the same 1,000 throughout, so this is about these images and any seed."
)


def rows_of(document: Document) -> list[Row]:
    """The runs, without the options that make a quick one quick."""
    rows: list[Row] = document["runs"]
    if not document.get("quick"):
        return rows
    count = len(QUICK)
    quick = [row for row in rows if tuple(row["options"][-count:]) == QUICK]
    return [{**row, "options": row["options"][:-count]} for row in quick]


def blocks_of(document: Document, pictures: Sequence[Picture]) -> list[Block]:
    """The whole report.

    Args:
        document: Content of a results file.
        pictures: Drawn from it.
    """
    rows, quick = rows_of(document), bool(document.get("quick"))
    title = "The report, reproduced" + (" (quick: one epoch, one seed)" if quick else "")
    return [
        Heading(title, 1),
        *([Text(QUICK_NOTE)] if quick else []),
        *outcome(document),
        Heading("Pictures"),
        *pictures,
        Heading("Where the numbers come from"),
        Text(sources(rows)),
    ]


def outcome(document: Document) -> list[Block]:
    """Figures, statements and studies, without pictures."""
    rows, toy = rows_of(document), document.get("toy")
    figures, statements = verdicts.judge_all(rows), judged(rows)
    blocks: list[Block] = [Text(tally(figures, statements, toy))]
    if toy is not None:
        blocks += [Heading("Questions 1, 2 and 3a: the toy"), toy_table(toy)]
    if figures:
        blocks += [
            Heading("Questions 3b and 4: accuracies"),
            figures_table(figures),
            Text("At the last epoch, mean ± standard deviation over seeds. " + RULE),
        ]
    blocks += [Heading("What the report says in words"), statements_summary(statements), Text(HOW_PAIRED)]
    for statement in statements:
        if statement.parts:
            blocks += [Heading(f"{statement.words}: {statement.verdict}", 3), Text(statement.note)]
            blocks += [statement_table(statement)]
    studies = [(study, table) for study in STUDIES if (table := study_table(study, rows)) is not None]
    if studies:
        blocks.append(Heading("Side studies"))
        for study, table in studies:
            blocks += [Heading(STUDY_TITLES[study], 3), table]
    return blocks


RULE = (
    "The report's figure is one training, measured on 1,000 images. It is compared with the 95 % interval of one more "
    "run of ours: **reproduced** if it lies within, and the seeds scatter no more than 1,000 images do; **within the "
    "noise of 1,000 images** if it lies within once the binomial error of 1,000 images is added; **not reproduced** "
    "otherwise; not judged below three seeds. Half a unit of the report's last digit is allowed; where the "
    "report says above (≥), only falling short counts."
)


def sources(rows: Sequence[Row]) -> str:
    """Commit, machine, versions, time."""
    if not rows:
        return "No run yet."
    days = ", ".join(sorted({row["date"][:10] for row in rows}))
    spent = sum(float(row["wall_seconds" if "wall_seconds" in row else "fit_seconds"]) for row in rows)
    return (
        f"{len(rows)} runs, {in_words(spent)} of them together; {days}; {same(rows, 'device')}; precision "
        f"{same(rows, 'precision')}; torch {same(rows, 'torch')}, lightning {same(rows, 'lightning')}; commit "
        f"{same(rows, 'commit')}. Every run with its config, seed, settings and times: `results.json`."
    )


def write_report(store: Store) -> list[Picture]:
    """Draw and write ``report.md`` and ``report.html``; returns the pictures."""
    document = store.current()
    losses = document["toy"]["losses"] if "toy" in document else None
    pictures = draw(rows_of(document), losses, store.folder, store.quick)
    blocks = blocks_of(document, pictures)
    write_whole(as_markdown(blocks, store.folder), store.folder / "report.md")
    write_whole(as_html(blocks), store.folder / "report.html")
    return pictures
