"""The tables of parity in README and docs, made from the committed measurements alone."""

from typing import Any

from cifar_mlp.common import markdown

CASE = "510-600-10:200"
COLUMNS = {
    "NumPy, float64": ("numpy", "float64"),
    "hand-derived, float64": ("hand: loss_and_gradients", "float64"),
    "hand-derived, float32": ("hand: loss_and_gradients", "float32"),
    "hand-derived, bfloat16": ("hand: loss_and_gradients", "bfloat16"),
}


def parity_table(evidence: dict[str, Any]) -> str:
    """Relative errors of the loss and the four gradients against autograd in float64; for the README."""
    rows = {
        (row["witness"], row["dtype"], row["tensor"]): row
        for row in evidence["rows"]
        if row["case"] == CASE and row["device"] == "cpu"
    }
    body = [
        [tensor, *(f"{rows[(*column, tensor)]['normwise_error']:.1e}" for column in COLUMNS.values())]
        for tensor in ("loss", "w1", "b1", "w2", "b2")
    ]
    outcome = evidence["outcome"][:1].upper() + evidence["outcome"][1:]
    return (
        markdown.table(["relative error", *COLUMNS], body)
        + f"\nAgainst autograd in float64. {outcome}. {_measured_where(evidence['environment'])}\n"
    )


def speed_table(benchmark: dict[str, Any]) -> str:
    """Speed and memory of the hand-derived gradients against autograd."""
    header = ["size", "implementation", "ms", "speed, eager autograd = 1", "quartiles", "allocated, MB"]
    body = []
    for row in benchmark["timings"]:
        low, high = row["speed_quartiles"]
        allocated = "" if row["allocated_bytes"] is None else f"{row['allocated_bytes'] / 1e6:.1f}"
        numbers = [f"{row['milliseconds']:.2f}", f"{row['speed']:.2f}", f"{low:.2f} to {high:.2f}", allocated]
        body.append([row["size"], row["candidate"], *numbers])
    where = _measured_where(benchmark["environment"])
    return markdown.table(header, body, words=2) + f"\nfloat32, {benchmark['rounds']} interleaved rounds. {where}\n"


def _measured_where(environment: dict[str, Any]) -> str:
    threads = "1 thread" if environment["threads"] == 1 else f"{environment['threads']} threads"
    return (
        f"{environment['devices']['cpu']}, {threads}, torch {environment['torch']}, "
        f"{environment['date'][:10]}, commit {environment['git_commit'][:12]}."
    )
