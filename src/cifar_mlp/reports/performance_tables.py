"""Tables of measured speed, computed from a benchmark's JSON alone."""

import statistics
from dataclasses import dataclass

from cifar_mlp.common import markdown
from cifar_mlp.common.results import Document, Row
from cifar_mlp.common.spread import Spread, ratios, spread

INPUTS = {"pca": "{components} components", "pixels": "3,072 pixels"}
OURS_PCA = "this package, exact"
SHORT = ("plain", "lightning", "sklearn", "jax")  # baselines of the short table


@dataclass(frozen=True)
class TextTable:
    """A table of words; the first ``words`` columns are left-aligned, the rest are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[list[str]]
    words: int = 1

    def markdown(self) -> str:
        """The title, then the table."""
        return f"{self.title}:\n\n{markdown.table(self.header, self.rows, self.words)}\n"


def train_row(document: Document, implementation: str, inputs: str, precision: str) -> Row | None:
    """The row of one implementation in the job ``train``; ``None`` if it did not run."""
    for row in document["implementations"]:
        if (row["implementation"], row["inputs"], row["precision"]) == (implementation, inputs, precision):
            found: Row = row
            return found
    return None


def images_per_second(row: Row, document: Document) -> Spread:
    """The speed of a row of the job ``train``, over the rounds."""
    return spread([document["problem"]["images"] / seconds for seconds in row["seconds"]])


def train_tables(document: Document) -> list[TextTable]:
    """Of the job ``train``: all implementations, ours relative to each, time outside steps, and the roofline."""
    problem, roofline = document["problem"], document["roofline"]
    ours = [row for row in document["implementations"] if row["implementation"] == "ours"]
    others = [row for row in document["implementations"] if row["implementation"] != "ours"]
    tables = [TextTable(
        f"{problem['images']:,} images of {problem['data']}, {network(document)}, {_settings(document)}",
        ("implementation", "inputs", "precision", "images/s", "quartiles", "speed / plain loop", "speed / roofline",
         "loss difference"),
        [_implementation_cells(row, document) for row in document["implementations"]], words=3,
    )]  # fmt: skip
    if ours:
        columns = (f"{_inputs(row, document)}, {row['precision']}" for row in ours)
        tables.append(TextTable(
            "Speed of cifar-mlp fit / speed of each baseline (median of the rounds' ratios; quartiles)",
            ("baseline", "inputs", "precision", *columns),
            [[*_words(other, document), *(_quartiles(_times_as_fast(row, other), ".3g") for row in ours)]
             for other in others], words=3,
        ))  # fmt: skip
        names = ("validation", "checkpoints", "pictures")
        tables.append(TextTable(
            "cifar-mlp fit, seconds of an epoch: training steps (median), and what is timed separately (mean)",
            ("inputs", "precision", "training steps", *names),
            [[*_words(row, document)[1:], f"{statistics.median(row['seconds']):.3f}",
              *(f"{row['other_seconds'].get(name, 0.0):.3f}" for name in names)] for row in ours], words=2,
        ))  # fmt: skip
    if roofline:
        tables.append(TextTable(
            "Roofline: matmuls and the optimizer's memory traffic alone",
            ("inputs", "precision", "images/s", "matmuls, GFLOP/s", "optimizer, GB/s", "matmuls, ms a step",
             "optimizer, ms a step"),
            [[_inputs(row, document), row["precision"], f"{images_per_second(row, document).median:,.0f}",
              *(f"{row[rate] / 1e9:.0f}" for rate in ("flop_per_second", "bytes_per_second")),
              *(f"{1000 * row[piece] / problem['steps']:.3f}" for piece in ("matmul_seconds", "optimizer_seconds"))]
             for row in roofline], words=2,
        ))  # fmt: skip
    return tables


def pca_tables(document: Document) -> list[TextTable]:
    """Of the job ``pca``."""
    seconds = {row["solver"]: row["seconds"] for row in document["solvers"]}
    rows = []
    for row in document["solvers"]:
        taken, times_ours = spread(row["seconds"]), ratios(row["seconds"], seconds[OURS_PCA])
        rows.append([
            row["solver"], f"{taken.median:.2f}", "{:.2f} to {:.2f}".format(*taken.range), f"{times_ours.median:.3g}",
            f"{row['peak_bytes'] / 1e6:,.0f}", f"{row['variance_error']:.0e}", f"{row['component_error']:.0e}",
        ])  # fmt: skip
    problem = document["problem"]
    title = (
        f"{problem['images']:,} images of {problem['data']} x 3,072 pixels to {problem['components']} components, "
        f"{_settings(document)}, each fit in a fresh process; errors relative to scikit-learn's covariance_eigh in "
        "float64"
    )
    header = ("solver", "seconds", "range", "seconds / ours", "peak extra memory, MB", "variances, relative error",
              "components, largest error")  # fmt: skip
    return [TextTable(title, header, rows)]


def scaling_tables(document: Document) -> list[TextTable]:
    """Of the job ``scaling``."""
    rows = []
    for row in document["points"]:
        ours, plain, roofline = (row["seconds"][name] for name in ("ours", "plain", "roofline"))
        speeds = [spread([row["images"] / second for second in seconds]) for seconds in (ours, plain, roofline)]
        rows.append([
            row["axis"], f"{row['value']:g}", "-".join(map(str, row["hidden_sizes"])) or "none",
            *(_quartiles(speed, ",.0f") for speed in speeds[:2]), f"{speeds[2].median:,.0f}",
            _quartiles(ratios(plain, ours), ".2f"), f"{100 * ratios(roofline, ours).median:.0f} %",
        ])  # fmt: skip
    problem = document["problem"]
    title = (
        f"Images/s, {problem['precision']}, {problem['components']} components; unless changed, batch "
        f"{problem['batch_size']}, {problem['images']:,} images, {problem['threads']} thread(s); "
        f"{document['rounds']} rounds, medians (quartiles)"
    )
    header = ("changed", "to", "hidden", "cifar-mlp fit", "plain loop", "roofline", "fit / plain loop",
              "fit / roofline")  # fmt: skip
    return [TextTable(title, header, rows, words=3)]


MAKERS = {"train": train_tables, "pca": pca_tables, "scaling": scaling_tables}


def job_text(job: str, document: Document) -> str:
    """The tables of one job and where they were measured, in Markdown."""
    text = "".join(table.markdown() for table in MAKERS[job](document))
    return text + "".join(f"{line}\n" for line in (*document.get("not_run", ()), _surroundings(document)))


def speed_short(document: Document) -> str:
    """A few float32 baselines of the job ``train`` on principal components, and how many times as fast ours is."""
    ours = [row for precision in ("float32", "bfloat16") if (row := train_row(document, "ours", "pca", precision))]
    baselines = [row for name in SHORT if (row := train_row(document, name, "pca", "float32"))]
    speeds = [f"{images_per_second(row, document).median:,.0f}" for row in (*ours, *baselines)]
    title = (
        f"Images/s in training on {INPUTS['pca'].format(**document['problem'])}, {network(document)}, and how many "
        "times as fast as each baseline `cifar-mlp fit` is (medians over the rounds)"
    )
    columns = (f"cifar-mlp fit, {row['precision']}: {speed}" for row, speed in zip(ours, speeds, strict=False))
    rows = [
        [row["title"], speed, *(f"{_times_as_fast(mine, row).median:.3g}" for mine in ours)]
        for row, speed in zip(baselines, speeds[len(ours) :], strict=True)
    ]
    table = TextTable(title, ("baseline, float32", "images/s", *columns), rows)
    return table.markdown() + _surroundings(document) + "\n"


def machine(environment: Document) -> str:
    """The device and the threads, e.g. ``AMD EPYC (family 26, model 2; AVX-512), 2 thread(s)``."""
    device, name = next((device, name) for device, name in environment["devices"].items() if name)
    return f"{environment.get('cpu', name) if device == 'cpu' else name}, {environment['threads']} thread(s)"


def network(document: Document) -> str:
    """Hidden layers and batch size."""
    problem = document["problem"]
    return f"hidden {'-'.join(map(str, problem['hidden_sizes']))}, batch {problem['batch_size']}"


def _surroundings(document: Document) -> str:
    environment = document["environment"]
    versions = {"torch": environment["torch"], **environment.get("packages", {})}
    return (
        f"{machine(environment)}, {', '.join(f'{name} {version}' for name, version in versions.items())}, "
        f"{environment['date'][:10]}, commit {str(environment['git_commit'])[:12]}."
    )


def _implementation_cells(row: Row, document: Document) -> list[str]:
    speed, setting, agreement = images_per_second(row, document), (row["inputs"], row["precision"]), row["agreement"]
    plain = train_row(document, "plain", *setting)
    roofline = [one["seconds"] for one in document["roofline"] if (one["inputs"], one["precision"]) == setting]
    own_order = " (own order)" if agreement and agreement["after"] == "epoch" else ""
    return [
        *_words(row, document), f"{speed.median:,.0f}", "{:,.0f} to {:,.0f}".format(*speed.quartiles),
        "" if plain is None else "1" if row is plain else _quartiles(_times_as_fast(row, plain), ".3g"),
        f"{100 * ratios(roofline[0], row['seconds']).median:.0f} %" if roofline else "",
        "not compared" if agreement is None else f"{agreement['loss_error']:.0e}{own_order}",
    ]  # fmt: skip


def _words(row: Row, document: Document) -> list[str]:
    return [row["title"], _inputs(row, document), row["precision"]]


def _inputs(row: Row, document: Document) -> str:
    return INPUTS[row["inputs"]].format(**document["problem"])


def _settings(document: Document) -> str:
    problem = document["problem"]
    return f"{problem['device']}, {problem['threads']} thread(s), {document['rounds']} rounds"


def _times_as_fast(row: Row, baseline: Row) -> Spread:
    return ratios(baseline["seconds"], row["seconds"])


def _quartiles(found: Spread, form: str) -> str:
    """Median, and quartiles in brackets."""
    low, high = found.quartiles
    return f"{found.median:{form}} ({low:{form}} to {high:{form}})"
