"""Tables of measured speed, computed from a benchmark's JSON alone."""

from collections.abc import Callable

from cifar_mlp.common.results import Document, Row
from cifar_mlp.common.spread import Spread, ratios, spread
from cifar_mlp.reports.measured_where import conditions, in_threads, measured_where
from cifar_mlp.reports.text_table import TextTable, with_quartiles, with_range
from cifar_mlp.reports.train_tables import train_tables

OURS_PCA = "this package, exact"


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
        f"{conditions(document)}, each fit in a fresh process; errors relative to scikit-learn's covariance_eigh in "
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
            *(with_quartiles(speed, ",.0f") for speed in speeds[:2]), f"{speeds[2].median:,.0f}",
            with_quartiles(ratios(plain, ours), ".2f"), f"{100 * ratios(roofline, ours).median:.0f} %",
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
    rows = [[row["kind"], str(row["processes"]), with_range(spread(row["seconds"]), ".1f"),
             with_range(times[row["kind"]][row["processes"]], ".2f")] for row in document["processes"]]  # fmt: skip
    return [TextTable(title, ("work", "processes", "seconds of an epoch or run", "work / one process"), rows)]


def record_tables(document: Document) -> list[TextTable]:
    """Of the job ``record``."""
    problem, rows, count = document["problem"], [], document["rounds"]

    def shown(found: Spread, digits: str) -> str:
        return with_range(found, digits) if count > 1 else f"{found.median:{digits}}"

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
