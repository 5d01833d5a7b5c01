"""Horizontal bars, as every benchmark draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from cifar_mlp.pictures.style import BLUE, BODY, GREY, SMALL


@dataclass(frozen=True)
class Bar:
    """One measurement.

    Attributes:
        label: Beside it.
        value: Its length.
        ends: Of the whisker; ``None`` for none.
        ours: Whether it is this package's, and hatched.
        colour: Of the bar.
    """

    label: str
    value: float
    ends: Sequence[float] | None = None
    ours: bool = False
    colour: str = BLUE


def draw(axes: Axes, bars: Sequence[Bar], title: str, unit: str, number: str = "{:,.0f}") -> None:
    """Fill a panel from its top.

    Args:
        axes: The panel.
        bars: What is drawn.
        title: Above it.
        unit: Below it.
        number: How a bar's value is written at its end.
    """
    for place, bar in enumerate(bars):
        axes.barh(place, bar.value, color=bar.colour, height=0.7, hatch="//" if bar.ours else None,
                  edgecolor="white", lw=0)  # fmt: skip
        low, high = bar.ends or (bar.value, bar.value)
        if bar.ends is not None:
            axes.errorbar(bar.value, place, xerr=[[bar.value - low], [high - bar.value]], color="black", lw=1,
                          capsize=2)  # fmt: skip
        axes.annotate(number.format(bar.value), (high, place), (5, 0), textcoords="offset points", va="center",
                      fontsize=SMALL, bbox={"fc": "white", "ec": "none", "pad": 0.8})  # fmt: skip
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars], fontsize=SMALL)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_title(title, fontsize=BODY, loc="left")
    axes.set_xlabel(unit, fontsize=BODY)
    axes.xaxis.set_major_formatter("{x:,.12g}")
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.margins(x=0.12)  # for the last bar's number
    axes.grid(axis="x", color=GREY, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def machine(document: dict[str, Any]) -> str:
    """Where a document was measured, in words."""
    where = document["environment"]
    device = next(name for name in where["devices"].values() if name)
    return f"{device}, {where['threads']} thread(s)"
