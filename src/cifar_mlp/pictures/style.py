"""How every picture looks: white ground in any viewer, colours that colour-blind eyes tell apart, one size of type."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000",
)  # fmt: skip
GREY = "#8C8C8C"
HEAT = "cividis"
DPI = 110
TITLE, BODY, SMALL = 10, 8.5, 7  # points


def new_figure(width: float, height: float, arranged: bool = True) -> Figure:
    """An empty figure of so many inches.

    Args:
        width: Inches.
        height: Inches.
        arranged: Let matplotlib make room for all words; where the places are known, that only costs time.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    if arranged:
        figure.set_layout_engine("constrained", h_pad=0.09, w_pad=0.07)
    return figure


def pixels(figure: Figure) -> np.ndarray:
    """The figure drawn, ``(height, width, 3)``, uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(drawn: np.ndarray, path: Path) -> None:
    """Write pixels as PNG, making the folder if need be."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn).save(path)
