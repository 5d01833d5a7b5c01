"""The tables of parity: errors by witness, and the speed of gradients by hand; made from their evidence alone."""

from typing import Any

PARITY_CASE = "510-600-10:200"
PARITY_COLUMNS = {
    "autograd, float64": ("autograd", "float64"),
    "NumPy, float64": ("numpy", "float64"),
    "by hand, float32": ("hand: loss_and_gradients", "float32"),
    "by hand, bfloat16": ("hand: loss_and_gradients", "bfloat16"),
}


def parity_table(evidence: dict[str, Any]) -> str:
    """Normwise errors of the loss and the gradients against the reference, by witness and type."""
    rows = {
        (row["witness"], row["dtype"], row["tensor"]): row
        for row in evidence["rows"]
        if row["case"] == PARITY_CASE and row["device"] == "cpu"
    }
    lines = ["| tensor | " + " | ".join(PARITY_COLUMNS) + " |", "|---|" + "--:|" * len(PARITY_COLUMNS)]
    for tensor in ("loss", "w1", "b1", "w2", "b2"):
        found = [rows[(*column, tensor)] for column in PARITY_COLUMNS.values()]
        lines.append(f"| {tensor} | " + " | ".join(f"{row['normwise_error']:.1e}" for row in found) + " |")
    lines += ["", f"{evidence['outcome'].capitalize()}. {_measured_where(evidence['environment'])}"]
    return "\n".join(lines) + "\n"


def speed_table(benchmark: dict[str, Any]) -> str:
    """Speed and memory of the gradients by hand beside autograd's."""
    lines = [
        "| size | candidate | ms | speed, eager autograd = 1 | quartiles | allocated, MB |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in benchmark["timings"]:
        low, high = row["speed_quartiles"]
        allocated = "" if row["allocated_bytes"] is None else f"{row['allocated_bytes'] / 1e6:.1f}"
        cells = [row["size"], row["candidate"], f"{row['milliseconds']:.2f}", f"{row['speed']:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{low:.2f} to {high:.2f}", allocated]) + " |")
    lines += ["", f"float32, {benchmark['rounds']} rounds in turn. {_measured_where(benchmark['environment'])}"]
    return "\n".join(lines) + "\n"


def _measured_where(environment: dict[str, Any]) -> str:
    return (
        f"{environment['devices']['cpu']}, {environment['threads']} thread(s), torch {environment['torch']}, "
        f"{environment['date'][:10]}, commit {environment['git_commit'][:12]}."
    )
