"""README's tables of gradient errors and speed."""

from cifar_mlp.common import markdown
from cifar_mlp.common.results import Document, Row
from cifar_mlp.reports.measured_where import measured_where, network
from cifar_mlp.reports.text_table import TextTable, find_row
from cifar_mlp.reports.train_tables import INPUTS, images_per_second, speed_ratio

CASE = "510-600-10:200"
COLUMNS = {
    "NumPy, float64": ("numpy", "float64"),
    "hand-derived, float64": ("hand: loss_and_gradients", "float64"),
    "hand-derived, float32": ("hand: loss_and_gradients", "float32"),
    "hand-derived, bfloat16": ("hand: loss_and_gradients", "bfloat16"),
}
SHORT = ("plain", "lightning", "sklearn", "jax")  # baselines of the short table
MORE = "More baselines, raw pixels, PCA, other sizes and threads: [docs/performance.md](docs/performance.md)."
SHORT_VERSIONS = ("lightning", "scikit-learn", "jax")  # their packages


def parity_table(evidence: Document) -> str:
    """Relative errors of the loss and the four gradients on the CPU against autograd in float64."""
    errors = {
        (row["witness"], row["dtype"], row["tensor"]): row.get("normwise_error")
        for row in evidence["rows"]
        if row["case"] == CASE and row["device"] == "cpu"
    }
    body = [
        [tensor, *(f"{errors[(*column, tensor)]:.1e}" for column in COLUMNS.values())]
        for tensor in ("loss", "w1", "b1", "w2", "b2")
    ]
    outcome = evidence["outcome"][:1].upper() + evidence["outcome"][1:]
    return (
        markdown.table(["tensor", *COLUMNS], body)
        + f"\nIn the bfloat16 column, autograd starts from the same rounded pre-activations z2 and scores. {outcome}. "
        + f"{measured_where(evidence['environment'])}\n"
    )


def speed_short(document: Document) -> str:
    """A few float32 baselines of the job ``train`` on principal components, and how many times as fast ours is."""
    rows = [row for row in document["implementations"] if row["inputs"] == "pca"]
    ours = [row for row in rows if row["implementation"] == "ours"]
    found = (find_row(rows, implementation=name, precision="float32") for name in SHORT)
    baselines = [row for row in found if row]

    def speed(row: Row) -> str:
        return f"{images_per_second(row, document).median:,.0f}"

    mine = ", ".join(f"{speed(row)} images/s in {row['precision']}" for row in ours)
    title = (
        f"`cifar-mlp fit` trains on {mine} ({INPUTS['pca'].format(**document['problem'])}, "
        f"{network(document)}). Speed-up over float32 baselines, median over interleaved rounds; below 1 the baseline "
        "is faster"
    )
    header = ("baseline, float32", "images/s", *(f"speed-up of fit, {row['precision']}" for row in ours))
    cells = [
        [row["title"], speed(row), *(f"{speed_ratio(mine, row).median:.2f}" for mine in ours)] for row in baselines
    ]
    where = measured_where(document["environment"], SHORT_VERSIONS)
    return f"{TextTable(title, header, cells).markdown()}{where} {MORE}\n"
