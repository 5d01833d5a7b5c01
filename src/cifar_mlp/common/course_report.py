"""What the course report states of its networks, by config: accuracies in percent, ``None`` where it gives none."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One row of the report.

    Attributes:
        network: How the report describes it.
        val: Validation accuracy in percent, on the last 1,000 training images.
        test: Test accuracy in percent, on the first 1,000 test images.
        val_rounding: Half a unit of the last digit that the validation accuracy is stated to, in points.
        at_least: Whether the report says of the validation accuracy that it is above ``val``.
    """

    network: str
    val: float
    test: float | None
    val_rounding: float = 0.05
    at_least: bool = False

    @property
    def val_text(self) -> str:
        """The validation accuracy as the report states it: ``57.5``, ``≈ 55.0`` or ``≥ 57.0``."""
        about = "≥ " if self.at_least else "≈ " if self.val_rounding > 0.1 else ""
        return f"{about}{self.val:.1f}"


REPORT = {
    "q4_two_layer_4b": Figure("550, ReLU (4b)", 56.5, 54.5),
    "q4_two_layer": Figure("550, ReLU (4c)", 56.7, None),
    "q4_three_layer": Figure("550-128, ReLU", 56.6, None),
    "q4_four_layer": Figure("550-128-100, ReLU", 57.4, None),
    "q4_five_layer": Figure("550-250-180-120, ReLU", 55.6, None),
    "q4_dropout": Figure("550-128-100, ReLU, dropout", 55.0, None, val_rounding=0.5),
    "q4_best": Figure("550-128-100, LeakyReLU", 57.5, 56.0),
    "q3_baseline": Figure("50, hand-derived, first try (3b)", 29.0, None, val_rounding=0.5),
    "q3_pca510": Figure("600 on 510 components, hand-derived (3b)", 57.0, 56.6, at_least=True),
}
