"""Tables of measured speed, made from a benchmark's JSON and from nothing else."""

import statistics
from dataclasses import dataclass
from typing import Any

INPUTS = {"pca": "{components} components", "pixels": "3,072 pixels"}


@dataclass(frozen=True)
class TextTable:
    """A table of words; the first ``words`` columns read from the left, the rest are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[list[str]]
    words: int = 1


def train_tables(document: dict[str, Any]) -> list[TextTable]:
    """Of the job ``train``: every harness, ours against each, what is timed apart, and the machine's limit."""
    tables = [_harness_table(document)]
    if any(row["harness"] == "ours" for row in document["harnesses"]):
        tables += [_ratio_table(document), _apart_table(document)]
    if document["limits"]:
        tables.append(_limit_table(document))
    return tables


def pca_tables(document: dict[str, Any]) -> list[TextTable]:
    """Of the job ``pca``."""
    rows = [
        [row["solver"], f"{row['seconds']['median']:.2f}", "{:.2f} to {:.2f}".format(*row["seconds"]["range"]),
         f"{row['ours_faster']['median']:.3g}", f"{row['peak_bytes'] / 1e6:,.0f}", f"{row['variance_error']:.0e}",
         f"{row['component_error']:.0e}"]
        for row in document["solvers"]
    ]  # fmt: skip
    header = (
        "solver", "seconds", "range", "ours is so many times as fast", "peak extra memory, MB",
        "variances, relative error", "components, largest error",
    )  # fmt: skip
    problem = document["problem"]
    title = (
        f"{problem['images']:,} images of {problem['data']} x 3,072 pixels to {problem['components']} components, "
        f"{problem['device']}, {problem['threads']} thread(s), {document['rounds']} rounds in turn, each fit in a "
        "fresh process; errors against scikit-learn's covariance_eigh in float64"
    )
    return [TextTable(title, header, rows)]


def startup_tables(document: dict[str, Any]) -> list[TextTable]:
    """Of the job ``startup``."""
    started = [
        [row["command"], f"{row['seconds']['median']:.2f}", "{:.2f} to {:.2f}".format(*row["seconds"]["range"])]
        for row in document["commands"]
    ]
    imported = [[row["package"], f"{row['seconds']:.2f}", str(row["modules"])] for row in document["imports"]]
    return [
        TextTable(
            f"Seconds of a fresh process, {document['rounds']} rounds in turn", ("command", "median", "range"), started
        ),
        TextTable("Importing cifar_mlp.cli, by package", ("package", "own seconds", "modules"), imported),
    ]


def scaling_tables(document: dict[str, Any]) -> list[TextTable]:
    """Of the job ``scaling``."""
    rows = [
        [row["axis"], f"{row['place']:g}", "-".join(map(str, row["hidden_sizes"])) or "none",
         *(_spread(row[key], ",.0f") for key in ("ours", "plain")), f"{row['limit']['median']:,.0f}",
         _spread(row["ours_to_plain"], ".2f"), f"{100 * row['share_of_limit']['median']:.0f} %"]
        for row in document["points"]
    ]  # fmt: skip
    problem = document["problem"]
    title = (
        f"Images a second, {problem['precision']}, {problem['components']} components; elsewhere batch "
        f"{problem['batch_size']}, {problem['images']:,} images, {problem['threads']} thread(s); "
        f"{document['rounds']} rounds in turn, medians (quartiles)"
    )
    header = ("changed", "to", "hidden", "cifar-mlp fit", "plain loop", "limit", "of the plain loop", "of the limit")
    return [TextTable(title, header, rows, words=3)]


def markdown(table: TextTable) -> list[str]:
    """The table line by line, under its title; numbers stand to the right."""
    rule = ["---"] * table.words + ["--:"] * (len(table.header) - table.words)
    lines = ["| " + " | ".join(row) + " |" for row in (table.header, rule, *table.rows)]
    return [f"{table.title}:", "", *lines, ""]


MAKERS = {"train": train_tables, "pca": pca_tables, "startup": startup_tables, "scaling": scaling_tables}


def job_text(job: str, document: dict[str, Any], short: bool = False) -> str:
    """The tables of one job and where they were measured, in Markdown.

    Args:
        job: One of ``MAKERS``.
        document: Its ``benchmark.json``.
        short: Its first table alone.
    """
    tables = MAKERS[job](document)
    lines = [line for table in (tables[:1] if short else tables) for line in markdown(table)]
    return "\n".join([*lines, *document.get("not_run", ()), _surroundings(document["environment"])]) + "\n"


def _surroundings(where: dict[str, Any]) -> str:
    device = next(name for name in where["devices"].values() if name)
    versions = {"torch": where["torch"], **where.get("packages", {})}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{device}, {where['threads']} thread(s), {listed}, {where['date'][:10]}, commit "
        f"{str(where['git_commit'])[:12]}."
    )


def _harness_table(document: dict[str, Any]) -> TextTable:
    rows = []
    for row in document["harnesses"]:
        speed, plain = row["images_per_second"], _to_plain(row)
        rows.append([
            row["title"], _inputs(row, document), row["precision"], f"{speed['median']:,.0f}",
            "{:,.0f} to {:,.0f}".format(*speed["quartiles"]), plain,
            "" if row["share_of_limit"] is None else f"{100 * row['share_of_limit']['median']:.0f} %",
            _agreement(row["agreement"]),
        ])  # fmt: skip
    header = (
        "harness", "inputs", "precision", "images/s", "quartiles", "plain loop = 1", "of the limit",
        "loss, off the plain loop's",
    )  # fmt: skip
    problem = document["problem"]
    title = (
        f"{problem['images']:,} images of {problem['data']}, hidden {'-'.join(map(str, problem['hidden_sizes']))}, "
        f"batch {problem['batch_size']}, {problem['device']}, {problem['threads']} thread(s), {document['rounds']} "
        "rounds in turn"
    )
    return TextTable(title, header, rows, words=3)


def _ratio_table(document: dict[str, Any]) -> TextTable:
    ours = [row for row in document["harnesses"] if row["harness"] == "ours"]
    rows = []
    for other in document["harnesses"]:
        if other["harness"] == "ours":
            continue
        cells = [_ratio(row, other["harness"], other["inputs"], other["precision"]) for row in ours]
        rows.append([other["title"], _inputs(other, document), other["precision"], *cells])
    columns = (f"{_inputs(row, document)}, {row['precision']}" for row in ours)
    title = "cifar-mlp fit, times as fast as each peer (median of the rounds' ratios; quartiles)"
    return TextTable(title, ("peer", "inputs", "precision", *columns), rows, words=3)


def _apart_table(document: dict[str, Any]) -> TextTable:
    names = ("validation", "checkpoints", "pictures")
    rows = [
        [_inputs(row, document), row["precision"], f"{statistics.median(row['seconds']):.3f}",
         *(f"{row['apart'].get(name, 0.0):.3f}" for name in names)]
        for row in document["harnesses"] if row["harness"] == "ours"
    ]  # fmt: skip
    title = "cifar-mlp fit, seconds of an epoch: training steps (median), and what is timed apart (mean)"
    return TextTable(title, ("inputs", "precision", "training steps", *names), rows, words=2)


def _limit_table(document: dict[str, Any]) -> TextTable:
    rows = [
        [_inputs(row, document), row["precision"],
         f"{document['problem']['images'] / row['seconds']['median']:,.0f}", f"{row['flop_per_second'] / 1e9:.0f}",
         f"{row['bytes_per_second'] / 1e9:.0f}", f"{1000 * row['products'] / document['problem']['steps']:.3f}",
         f"{1000 * row['traffic'] / document['problem']['steps']:.3f}"]
        for row in document["limits"]
    ]  # fmt: skip
    header = (
        "inputs", "precision", "images/s", "products, GFLOP/s", "optimizer, GB/s", "products, ms a step",
        "optimizer, ms a step",
    )  # fmt: skip
    return TextTable("This machine's limit: matrix products and the optimizer's traffic alone", header, rows, words=2)


def _inputs(row: dict[str, Any], document: dict[str, Any]) -> str:
    return INPUTS[row["inputs"]].format(**document["problem"])


def _to_plain(row: dict[str, Any]) -> str:
    if row["harness"] == "plain":
        return "1"
    return _ratio(row, "plain", row["inputs"], row["precision"])


def _ratio(row: dict[str, Any], harness: str, inputs: str, precision: str) -> str:
    for to in row["speed_to"]:
        if (to["harness"], to["inputs"], to["precision"]) == (harness, inputs, precision):
            return _spread(to, ".3g")
    return ""


def _spread(of: dict[str, Any], form: str) -> str:
    """Median, and quartiles in brackets."""
    low, high = of["quartiles"]
    return f"{of['median']:{form}} ({low:{form}} to {high:{form}})"


def _agreement(agreement: dict[str, Any] | None) -> str:
    if agreement is None:
        return "not compared"
    return f"{agreement['loss_error']:.0e}" + (" (own order)" if agreement["after"] == "epoch" else "")
