"""Tables of measured speed, computed from a benchmark's JSON alone."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cifar_mlp.common import markdown
from cifar_mlp.common.results import Document, Row
from cifar_mlp.common.spread import Spread, ratios, spread

INPUTS = {"pca": "{components} components", "pixels": "3,072 pixels"}
OURS_PCA = "this package, exact"


class TextTable(NamedTuple):
    """A table of words; the first ``words`` columns are left-aligned, the rest are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[list[str]]
    words: int = 1

    def markdown(self) -> str:
        """The title, then the table."""
        return f"{self.title}:\n\n{markdown.table(self.header, self.rows, self.words)}\n"


def find_row(rows: Sequence[Row], **wanted: str) -> Row | None:
    """The first row with these values, such as ``precision="float32"``; ``None`` if it was not measured."""
    return next((row for row in rows if wanted.items() <= row.items()), None)


def images_per_second(row: Row, document: Document) -> Spread:
    """The speed of a row of the job ``train``, over the rounds."""
    return spread([document["problem"]["images"] / seconds for seconds in row["seconds"]])


def train_tables(document: Document) -> list[TextTable]:
    """Of the job ``train``: all implementations, ours relative to each, time outside steps, and the roofline."""
    problem = document["problem"]
    ours = [row for row in document["implementations"] if row["implementation"] == "ours"]
    others = [row for row in document["implementations"] if row["implementation"] != "ours"]
    separate = ("validation", "checkpoints", "pictures")
    about_ours = [
        TextTable(
            "Speed of cifar-mlp fit / speed of each baseline (median of the rounds' ratios; quartiles)",
            ("baseline", "inputs", "precision", *(", ".join(_setting(row, document)) for row in ours)),
            [[other["title"], *_setting(other, document),
              *(_quartiles(speed_ratio(row, other), ".3g") for row in ours)] for other in others], words=3,
        ),
        TextTable(
            "cifar-mlp fit, seconds of an epoch: training steps (median), and what is timed separately (mean)",
            ("inputs", "precision", "training steps", *separate),
            [[*_setting(row, document), f"{statistics.median(row['seconds']):.3f}",
              *(f"{row['other_seconds'].get(name, 0.0):.3f}" for name in separate)] for row in ours], words=2,
        ),
    ]  # fmt: skip
    about_all = TextTable(
        f"{problem['images']:,} images of {problem['data']}, {network(document)}, {_conditions(document)}",
        ("implementation", "inputs", "precision", "images/s", "quartiles", "speed / plain loop", "speed / roofline",
         "loss difference"),
        [_implementation_cells(row, document) for row in document["implementations"]], words=3,
    )  # fmt: skip
    roofline = TextTable(
        "Roofline: matmuls and the optimizer's memory traffic alone",
        ("inputs", "precision", "images/s", "matmuls, GFLOP/s", "optimizer, GB/s", "matmuls, ms a step",
         "optimizer, ms a step"),
        [[*_setting(row, document), f"{images_per_second(row, document).median:,.0f}",
          *(f"{row[rate] / 1e9:.0f}" for rate in ("flop_per_second", "bytes_per_second")),
          *(f"{1000 * row[piece] / problem['steps']:.3f}" for piece in ("matmul_seconds", "optimizer_seconds"))]
         for row in document["roofline"]], words=2,
    )  # fmt: skip
    return [about_all, *(about_ours if ours else []), *([roofline] if roofline.rows else [])]


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
        f"{_conditions(document)}, each fit in a fresh process; errors relative to scikit-learn's covariance_eigh in "
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
        f"{problem['batch_size']}, {problem['images']:,} images, {in_threads(problem['threads'])}; "
        f"{document['rounds']} rounds, medians (quartiles)"
    )
    header = ("changed", "to", "hidden", "cifar-mlp fit", "plain loop", "roofline", "fit / plain loop",
              "fit / roofline")  # fmt: skip
    return [TextTable(title, header, rows, words=3)]


def parity_tables(document: Document) -> list[TextTable]:
    """Of the job ``parity``."""
    rows = []
    for row in document["timings"]:
        allocated = "" if row["allocated_bytes"] is None else f"{row['allocated_bytes'] / 1e6:.1f}"
        quartiles = "{:.2f} to {:.2f}".format(*row["speed_quartiles"])
        rows.append([
            row["size"], row["candidate"], f"{row['milliseconds']:.2f}", f"{row['speed']:.2f}", quartiles, allocated,
        ])  # fmt: skip
    title = f"One loss and its gradients in float32, {document['rounds']} interleaved rounds, medians"
    header = ("size", "implementation", "ms", "speed, eager autograd = 1", "quartiles", "allocated, MB")
    return [TextTable(title, header, rows, words=2)]


def work_ratios(document: Document) -> dict[str, dict[int, Spread]]:
    """How many times the work of one process is done in the same time, by kind of work and number of processes."""
    one = {row["kind"]: row["seconds"] for row in document["processes"] if row["processes"] == 1}
    found: dict[str, dict[int, Spread]] = {kind: {} for kind in one}
    for row in document["processes"]:
        found[row["kind"]][row["processes"]] = ratios(one[row["kind"]], row["seconds"])
    return found


def processes_tables(document: Document) -> list[TextTable]:
    """Of the job ``processes``."""
    problem, times = document["problem"], work_ratios(document)
    title = (
        f"Work of several processes of one thread each on {problem['cores']} cores, load before "
        f"{problem['load_before']:g}, {document['rounds']} rounds, medians (range); q4_best in float32: "
        f"one training, {problem['batch_size']} images a step in all; {problem['runs']} separate trainings of one "
        "epoch, start and table included"
    )
    rows = [[row["kind"], str(row["processes"]), _range(spread(row["seconds"]), ".1f"),
             _range(times[row["kind"]][row["processes"]], ".2f")] for row in document["processes"]]  # fmt: skip
    return [TextTable(title, ("work", "processes", "seconds of an epoch or run", "work / one process"), rows)]


def record_tables(document: Document) -> list[TextTable]:
    """Of the job ``record``."""
    problem, rows, count = document["problem"], [], document["rounds"]

    def shown(found: Spread, digits: str) -> str:
        return _range(found, digits) if count > 1 else f"{found.median:{digits}}"

    for row in document["trainings"]:
        if row["gradients"] == "hand":
            (other,) = (
                one for one in document["trainings"] if one["config"] == row["config"] and one["gradients"] != "hand"
            )
            rows.append([
                row["config"], str(row["epochs"]), shown(spread(row["seconds"]), ".1f"),
                f"{spread(row['start']).median:.0f}", f"{minutes_in_all(row):.1f}",
                shown(spread(other["seconds"]), ".1f"), shown(ratios(other["seconds"], row["seconds"]), ".2f"),
            ])  # fmt: skip
    title = (
        f"`fit` of the record configs, {in_threads(problem['threads'])}, {count} round{'s' * (count > 1)} of "
        f"{problem['epochs']} epochs, of which the first is not counted{', medians (range)' * (count > 1)}; start and "
        "end include PCA; validation is left out"
    )
    header = ("config", "epochs", "s an epoch", "start and end, s", "minutes in all", "s an epoch, autograd",
              "speed / autograd")  # fmt: skip
    return [TextTable(title, header, rows)]


def minutes_in_all(row: Row, images: float = 1.0) -> float:
    """Of a whole training of the job ``record``, with this share of its images."""
    return (spread(row["start"]).median + row["epochs"] * images * spread(row["seconds"]).median) / 60


MAKERS: dict[str, Callable[[Document], list[TextTable]]] = {
    "train": train_tables, "pca": pca_tables, "scaling": scaling_tables, "parity": parity_tables,
    "processes": processes_tables, "record": record_tables,
}  # fmt: skip


def job_text(job: str, document: Document) -> str:
    """The tables of one job and where they were measured, in Markdown."""
    text = "".join(table.markdown() for table in MAKERS[job](document))
    where = measured_where(document["environment"])
    return text + "".join(f"{line}\n" for line in (*document.get("not_run", ()), where))


def machine(environment: Document) -> str:
    """The device and the threads, e.g. ``AMD EPYC (family 26, model 2; AVX-512), 2 threads``."""
    device, name = next((device, name) for device, name in environment["devices"].items() if name)
    return f"{environment.get('cpu', name) if device == 'cpu' else name}, {in_threads(environment['threads'])}"


def in_threads(count: int) -> str:
    """``1 thread`` or ``2 threads``."""
    return f"{count} thread{'s' if count > 1 else ''}"


def measured_where(environment: Document, packages: Sequence[str] | None = None) -> str:
    """Machine, versions, day and commit, as a sentence; ``packages`` are those to name, by default all."""
    found = environment.get("packages", {})
    versions = {"torch": environment["torch"], **{name: found[name] for name in found if name in (packages or found)}}
    return (
        f"{machine(environment)}, {', '.join(f'{name} {version}' for name, version in versions.items())}, "
        f"{environment['date'][:10]}, commit {str(environment['git_commit'])[:12]}."
    )


def network(document: Document) -> str:
    """Hidden layers and batch size."""
    problem = document["problem"]
    return f"hidden {'-'.join(map(str, problem['hidden_sizes']))}, batch {problem['batch_size']}"


def _implementation_cells(row: Row, document: Document) -> list[str]:
    speed, agreement = images_per_second(row, document), row["agreement"]
    setting = {name: row[name] for name in ("inputs", "precision")}
    plain = find_row(document["implementations"], implementation="plain", **setting)
    roofline = find_row(document["roofline"], **setting)
    own_order = " (own order)" if agreement and agreement["after"] == "epoch" else ""
    return [
        row["title"], *_setting(row, document), f"{speed.median:,.0f}", "{:,.0f} to {:,.0f}".format(*speed.quartiles),
        "" if plain is None else "1" if row is plain else _quartiles(speed_ratio(row, plain), ".3g"),
        f"{100 * speed_ratio(row, roofline).median:.0f} %" if roofline else "",
        "not compared" if agreement is None else f"{agreement['loss_error']:.0e}{own_order}",
    ]  # fmt: skip


def _setting(row: Row, document: Document) -> tuple[str, str]:
    return INPUTS[row["inputs"]].format(**document["problem"]), row["precision"]


def _conditions(document: Document) -> str:
    problem = document["problem"]
    return f"{problem['device']}, {in_threads(problem['threads'])}, {document['rounds']} rounds"


def speed_ratio(row: Row, baseline: Row) -> Spread:
    """How many times as fast a row is as another, round by round."""
    return ratios(baseline["seconds"], row["seconds"])


def _range(found: Spread, form: str) -> str:
    """Median, and smallest and largest in brackets."""
    return f"{found.median:{form}} ({found.range[0]:{form}} to {found.range[1]:{form}})"


def _quartiles(found: Spread, form: str) -> str:
    """Median, and quartiles in brackets."""
    low, high = found.quartiles
    return f"{found.median:{form}} ({low:{form}} to {high:{form}})"
