"""Tables of the training benchmark: every implementation's speed, ours against each, and the roofline."""

import statistics

from cifar_mlp.common.results import Document, Row
from cifar_mlp.common.spread import Spread, ratios, spread
from cifar_mlp.reports.measured_where import conditions, network
from cifar_mlp.reports.text_table import TextTable, find_row, with_quartiles

INPUTS = {"pca": "{components} components", "pixels": "3,072 pixels"}


def train_tables(document: Document) -> list[TextTable]:
    """Of the job ``train``: all implementations, ours relative to each, time outside steps, and the roofline."""
    problem = document["problem"]
    ours = [row for row in document["implementations"] if row["implementation"] == "ours"]
    others = [row for row in document["implementations"] if row["implementation"] != "ours"]
    separate = ("validation", "checkpoints", "pictures")
    about_ours = [
        TextTable(
            "Speed of cifar-mlp fit / speed of each baseline (median of the rounds' ratios; quartiles)",
            ("baseline", "inputs", "precision", *(", ".join(setting(row, document)) for row in ours)),
            [[other["title"], *setting(other, document),
              *(with_quartiles(speed_ratio(row, other), ".3g") for row in ours)] for other in others], words=3,
        ),
        TextTable(
            "cifar-mlp fit, seconds of an epoch: training steps (median), and what is timed separately (mean)",
            ("inputs", "precision", "training steps", *separate),
            [[*setting(row, document), f"{statistics.median(row['seconds']):.3f}",
              *(f"{row['other_seconds'].get(name, 0.0):.3f}" for name in separate)] for row in ours], words=2,
        ),
    ]  # fmt: skip
    about_all = TextTable(
        f"{problem['images']:,} images of {problem['data']}, {network(document)}, {conditions(document)}",
        ("implementation", "inputs", "precision", "images/s", "quartiles", "speed / plain loop", "speed / roofline",
         "loss difference"),
        [_implementation_cells(row, document) for row in document["implementations"]], words=3,
    )  # fmt: skip
    roofline = TextTable(
        "Roofline: matmuls and the optimizer's memory traffic alone",
        ("inputs", "precision", "images/s", "matmuls, GFLOP/s", "optimizer, GB/s", "matmuls, ms a step",
         "optimizer, ms a step"),
        [[*setting(row, document), f"{images_per_second(row, document).median:,.0f}",
          *(f"{row[rate] / 1e9:.0f}" for rate in ("flop_per_second", "bytes_per_second")),
          *(f"{1000 * row[piece] / problem['steps']:.3f}" for piece in ("matmul_seconds", "optimizer_seconds"))]
         for row in document["roofline"]], words=2,
    )  # fmt: skip
    return [about_all, *(about_ours if ours else []), *([roofline] if roofline.rows else [])]


def images_per_second(row: Row, document: Document) -> Spread:
    """The speed of a row of the job ``train``, over the rounds."""
    return spread([document["problem"]["images"] / seconds for seconds in row["seconds"]])


def speed_ratio(row: Row, baseline: Row) -> Spread:
    """How many times as fast a row is as another, round by round."""
    return ratios(baseline["seconds"], row["seconds"])


def _implementation_cells(row: Row, document: Document) -> list[str]:
    speed, agreement = images_per_second(row, document), row["agreement"]
    same = {name: row[name] for name in ("inputs", "precision")}
    plain = find_row(document["implementations"], implementation="plain", **same)
    roofline = find_row(document["roofline"], **same)
    own_order = " (own order)" if agreement and agreement["after"] == "epoch" else ""
    return [
        row["title"], *setting(row, document), f"{speed.median:,.0f}", "{:,.0f} to {:,.0f}".format(*speed.quartiles),
        "" if plain is None else "1" if row is plain else with_quartiles(speed_ratio(row, plain), ".3g"),
        f"{100 * speed_ratio(row, roofline).median:.0f} %" if roofline else "",
        "not compared" if agreement is None else f"{agreement['loss_error']:.0e}{own_order}",
    ]  # fmt: skip


def setting(row: Row, document: Document) -> tuple[str, str]:
    """Inputs and precision of a row, in words."""
    return INPUTS[row["inputs"]].format(**document["problem"]), row["precision"]
