"""Measured accuracies in README, configs and docs, made from docs/results.json."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import yaml

from cifar_mlp.common import markdown
from cifar_mlp.common.course_report import REPORT, Figure
from cifar_mlp.common.results import Row, accuracies, days, of_config, percent, same

BEST = "q3_tuned"  # in configs/sweeps/best


def config_text(rows: Sequence[Row], name: str, settings: str, figure: Figure) -> str:
    """The lines of a config's heading: what the report states, and what was measured with its present settings.

    Args:
        rows: Of all runs.
        name: The config's.
        settings: Its fingerprint; runs of another one do not count.
        figure: The report's.
    """
    rows = [row for row in of_config(rows, name) if row["settings"] == settings]
    stated = f"validation {figure.val:.1f} %" + (f", test {figure.test:.1f} %" if figure.test is not None else "")
    lines = [f"The report: {stated} (1,000 images each)."]
    if rows:
        seeds = ", ".join(str(seed) for seed in sorted(row["seed"] for row in rows))
        lines += [
            f"Here, mean ± standard deviation over {len(rows)} seeds ({seeds}):",
            f"  validation at the last epoch {_percent(rows, 'last', 'val/accuracy')} %, "
            f"at the best {_percent(rows, 'best', 'val/accuracy')} %",
            f"  test at the best epoch {_percent(rows, 'best', 'test/accuracy_first_1000')} % "
            f"(first 1,000), {_percent(rows, 'best', 'test/accuracy')} % (all 10,000)",
            f"  validation at the last epoch less the report's: {difference(rows, figure):+.1f} points",
            f"  {_seconds(rows)} s a fit; {same(rows, 'device')}; torch {same(rows, 'torch')}; {days(rows)}; "
            f"commit {same(rows, 'commit')}",
        ]
    else:
        lines.append("Here: not measured.")
    return "".join(f"# {line}\n" for line in lines)


def results_table(rows: Sequence[Row], further: Sequence[Sequence[str]]) -> str:
    """README's accuracies at the last epoch: the report's networks, our best without augmentation, further rows."""
    linked = {
        name: (f"[{figure.network}](configs/report/{name}.yaml)", figure.val_text) for name, figure in REPORT.items()
    }
    best = "our best without augmentation, 1400 on 100 components, GELU"
    linked[BEST] = (f"**[{best}](configs/sweeps/best/{BEST}.yaml)**", "")
    lines = [
        [network, str(mine[0]["last"]["epoch"]), stated, _percent(mine, "last", "val/accuracy"),
         _percent(mine, "last", "test/accuracy")]
        for name, (network, stated) in linked.items() if (mine := of_config(rows, name))
    ]  # fmt: skip
    header = ("network", "epochs", "validation, report", "validation, ours", "test, ours")
    return markdown.table(header, [*lines, *further])


def provenance_text(rows: Sequence[Row]) -> str:
    """One sentence on where the numbers come from."""
    mine = [row for name in (*REPORT, BEST) for row in of_config(rows, name)]
    if not mine:
        return "Not measured.\n"
    seeds = _range([len(of_config(mine, row["config"])) for row in mine])
    return (
        f"Last epoch, mean ± standard deviation. Without augmentation: {seeds} seeds; 1,000 validation and 10,000 test "
        f"images. {same(mine, 'device')}; {same(mine, 'precision')}; torch {same(mine, 'torch')}; {days(mine)}; "
        f"{_seconds(mine)} s per fit.\n"
    )


def dropout_table(rows: Sequence[Row], config: Path) -> str:
    """Validation accuracy at every dropout rate that was tried."""
    rates: dict[float, list[Row]] = {}
    for row in rows:
        options = row.get("options", [])
        if row["config"] == config.stem and options[:1] in ([], ["--model.dropout"]):
            rate = options[1] if options else yaml.safe_load(config.read_text())["model"]["dropout"]
            rates.setdefault(float(rate), []).append(row)
    lines = [
        [f"{rate:g}", *(_percent(mine, which, "val/accuracy") for which in ("last", "best")), str(len(mine))]
        for rate, mine in sorted(rates.items())
    ]
    return markdown.table(("dropout", "validation, last epoch", "best epoch", "seeds"), lines, words=0)


def difference(rows: Sequence[Row], figure: Figure) -> float:
    """Our mean validation accuracy at the last epoch less the report's, in points."""
    return 100 * statistics.fmean(accuracies(rows, "last", "val/accuracy")) - figure.val


def _percent(rows: Sequence[Row], which: str, metric: str) -> str:
    return percent(accuracies(rows, which, metric))


def _seconds(rows: Sequence[Row]) -> str:
    return _range([row["fit_seconds"] for row in rows])


def _range(values: Sequence[float]) -> str:
    """Smallest to largest, rounded; one number if they are the same."""
    return " to ".join(dict.fromkeys(f"{value:.0f}" for value in (min(values), max(values))))
