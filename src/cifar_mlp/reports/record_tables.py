"""The record's tables, made from docs/record.json and docs/record/ablation.json alone."""

import re
import statistics
from collections.abc import Sequence

from cifar_mlp.common import markdown
from cifar_mlp.common.results import Document, Row, days, percent, same
from cifar_mlp.reports.performance_tables import minutes_in_all
from cifar_mlp.studies.ablation import table

ALL_IMAGES = 50_000 / 45_000  # of the configs that hold out none
COLUMNS = ["network", "test", "test with TTA (views)", "parameters", "epochs", "training FLOPs", "minutes"]
COLUMNS += ["hardware", "source"]


def record_table(document: Document, speed: Document) -> str:
    """Published results and ours, best first, by the better of one view and several.

    Args:
        document: The record's.
        speed: Of the benchmark ``record``.
    """
    lines = [(row["test"], _published(row)) for row in document["published"]]
    for rows in by_config(document).values():
        lines.append((statistics.fmean(100 * row["test_views"] for row in rows), _ours(rows, speed)))
    for ensemble in document.get("ensembles", []):
        lines.append((100 * ensemble["test_views"], _ensemble(ensemble, by_config(document)[ensemble["config"]])))
    return markdown.table(COLUMNS, [line for _, line in sorted(lines, key=lambda line: -line[0])], words=1)


def record_line(document: Document) -> str:
    """A sentence for README's first screen: what each config with a time in its name reaches."""
    each = []
    for config, rows in by_config(document).items():
        if re.fullmatch(r"cpu_\d+min", config):
            test, epochs = percent([row["test_views"] for row in rows]), rows[0]["epochs"]
            each.append(f"{test} % ({_link(config, 'configs/record')}, {epochs} epochs)")
    views = f"averaged over {document['runs'][0]['views']} views of an image"
    before = f"Larger MLPs, trained on shifted and flipped images, have these test accuracies, {views}:"
    return f"{before} {', '.join(each)} ([how](docs/record.md)).\n"


def best_rows(document: Document) -> list[list[str]]:
    """Our configs averaged over views, as rows of README's table of accuracies."""
    lines = []
    for config, rows in by_config(document).items():
        what = [f"**{_link(config, 'configs/record')}**", f"{rows[0]['views']} views"]
        what.append("1 seed" if len(rows) == 1 else f"{len(rows)} seeds")
        if any(row["seconds"] is not None for row in rows):
            what.append(f"{minutes(rows, {}):.1f} minutes")
        validated = all(row.get("val_views") for row in rows)  # without validation, and in older rows, there is none
        validation = percent([row["val_views"] for row in rows]) if validated else ""
        test = percent([row["test_views"] for row in rows])
        lines.append([", ".join(what), str(rows[0]["epochs"]), "", validation, test])
    return lines


def record_provenance(document: Document) -> str:
    """Where our figures come from, a paragraph a config."""
    texts = []
    for config, rows in by_config(document).items():
        validation = f"validation {percent([row['val'] for row in rows])} %" if rows[0]["val"] else "no validation"
        if all(row.get("val_views") for row in rows):  # older rows have none
            validation += f" ({percent([row['val_views'] for row in rows])} % averaged)"
        seeds = ("seed " if len(rows) == 1 else "seeds ") + ", ".join(str(row["seed"]) for row in rows)
        texts.append(
            f"{config}: {seeds}; {rows[0]['images']:,} training images, {validation}; {same(rows, 'device')}; "
            f"{same(rows, 'precision')}; torch {same(rows, 'torch')}; {days(rows)}; commit {same(rows, 'commit')}.\n"
        )
    return "\n".join(texts)


def record_ablation(found: Document) -> str:
    """What each ingredient of a record config is worth, and where the figures come from."""
    where, seeds = found["provenance"], {row["seed"] for row in found["rows"]}
    return (
        f"{table(found)}\n{found['epochs']} epochs, {len(seeds)} seeds; {where['device']}; torch {where['torch']}; "
        f"{where['date'][:10]}; commit {where['commit']}.\n"
    )


def by_config(document: Document) -> dict[str, list[Row]]:
    """Our runs, by config from the least operations to the most."""
    configs: dict[str, list[Row]] = {}
    for row in sorted(document["runs"], key=lambda row: (row["flop"], row["config"], row["seed"])):
        configs.setdefault(row["config"], []).append(row)
    return configs


def _ours(rows: Sequence[Row], speed: Document) -> list[str]:
    first = rows[0]
    cells = [percent([row["test"] for row in rows]), _views(rows), f"{first['parameters'] / 1e6:.2g}M"]
    cells += [f"{first['epochs']:,}", _flop(first["flop"]), _minutes(rows, speed), same(rows, "device")]
    return [f"**ours, {_link(first['config'], '../configs/record')}**", *cells, "this repository"]


def _ensemble(row: Row, runs: Sequence[Row]) -> list[str]:
    """Several seeds' probabilities averaged: the sum of their costs."""
    rows = [run for run in runs if run["seed"] in row["seeds"]]
    total = {name: sum(run[name] for run in rows) for name in ("parameters", "flop")}
    what = f"**ours, the mean of {len(rows)} seeds of {_link(row['config'], '../configs/record')}**"
    cells = [percent([row["test"]]), f"{percent([row['test_views']])} ({row['views']})"]
    cells += [f"{total['parameters'] / 1e6:.2g}M", f"{len(rows)} x {rows[0]['epochs']}", _flop(total["flop"])]
    return [what, *cells, "", same(rows, "device"), "this repository; one checkpoint"]


def _published(row: Row) -> list[str]:
    size, operations = row["parameters"], published_flop(row)
    flop = "" if operations is None else f"≈ {_flop(operations)}"
    cells = [f"{row['test']:.1f}{row.get('mark', '')}", "", "" if size is None else f"{size / 1e6:g}M"]
    return [row["what"], *cells, f"{row['epochs']:,}", flop, "", row["hardware"], row["source"]]


def published_flop(row: Row) -> float | None:
    """An estimate of the operations of a published training; ``None`` without its number of parameters."""
    return None if row["parameters"] is None else 6.0 * row["parameters"] * 50_000 * row["epochs"]


def _link(config: str, folder: str) -> str:
    return f"[{config}]({folder}/{config}.yaml)"


def _views(rows: Sequence[Row]) -> str:
    return f"{percent([row['test_views'] for row in rows])} ({rows[0]['views']})"


def minutes(rows: Sequence[Row], speed: Document) -> float:
    """Of a training: of the runs that had the machine to themselves, else from a few epochs of the benchmark."""
    measured = [row["seconds"] for row in rows if row["seconds"] is not None]
    if measured:
        return statistics.median(measured) / 60
    name = rows[0]["config"]
    validated = name.removesuffix("_all")
    (found,) = [one for one in speed["trainings"] if one["config"] == validated and one["gradients"] == "hand"]
    return minutes_in_all(found, 1.0 if name == validated else ALL_IMAGES)


def _minutes(rows: Sequence[Row], speed: Document) -> str:
    measured = any(row["seconds"] is not None for row in rows)
    return f"{minutes(rows, speed):.1f}" if measured else f"≈ {minutes(rows, speed):.2g}"


def _flop(number: float) -> str:
    """Two digits and a unit, such as ``21 T`` or ``310 P``."""
    size, unit = (number / 1e15, "P") if number >= 1e15 else (number / 1e12, "T")
    return f"{float(f'{size:.2g}'):g} {unit}"
