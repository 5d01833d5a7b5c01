"""README's table of gradient errors, made from docs/parity/parity.json alone."""

from cifar_mlp.common import markdown
from cifar_mlp.common.results import Document
from cifar_mlp.reports.performance_tables import measured_where

CASE = "510-600-10:200"
COLUMNS = {
    "NumPy, float64": ("numpy", "float64"),
    "hand-derived, float64": ("hand: loss_and_gradients", "float64"),
    "hand-derived, float32": ("hand: loss_and_gradients", "float32"),
    "hand-derived, bfloat16": ("hand: loss_and_gradients", "bfloat16"),
}


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
