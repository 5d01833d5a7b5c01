"""The look of every picture: white background, colours for colour-blind readers, three font sizes."""

import io
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cifar_mlp.common.atomic_write import write_whole_bytes

# Okabe and Ito's colours
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000",
)  # fmt: skip
GREY = "#8C8C8C"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)  # of things side by side
HEAT = "cividis"
DPI = 110
LONGEST = 20  # letters of a class name
TITLE, BODY, SMALL = 10, 8.5, 7  # points


def new_figure(width: float, height: float, arranged: bool = True) -> Figure:
    """An empty figure.

    Args:
        width: In inches.
        height: In inches.
        arranged: Let matplotlib lay out all text; a waste of time if positions are known.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    if arranged:
        figure.set_layout_engine("constrained", h_pad=0.09, w_pad=0.07)
    return figure


def plain(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """A pale grid behind what is drawn, and no frame above and on the right."""
    axes.grid(axis=grid, color=GREY, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def titled(figure: Figure, title: str, columns: int = 0) -> Figure:
    """The figure with a title above all panels, broken into lines where the figure ends.

    Args:
        figure: With everything drawn.
        title: May have several lines.
        columns: Of a legend below all panels, with the entries of the first; 0 for none.
    """
    letters = int(12 * figure.get_figwidth())
    figure.suptitle("\n".join(textwrap.fill(line, letters) for line in title.split("\n")), fontsize=TITLE)
    if columns:
        entries = figure.axes[0].get_legend_handles_labels()
        figure.legend(*entries, loc="outside lower center", ncols=columns, fontsize=BODY, frameon=False)
    return figure


def pixels(figure: Figure) -> np.ndarray:
    """The figure rendered, uint8 ``(height, width, 3)``."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a name in another script shows as boxes
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def labels_of(class_names: Sequence[str]) -> list[str]:
    """Class names as they fit beside tiles: of long ones the middle is left out, and none is taken for a formula."""
    cut = [name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}…{name[-8:]}" for name in class_names]
    return [name.replace("$", r"\$") for name in cut]


def png(drawn: np.ndarray) -> bytes:
    """Pixels ``(height, width, 3)`` as a PNG file's content."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(drawn).save(content, "PNG", compress_level=4)  # the usual 6 takes twice as long for 2 % less
    return content.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, with its folder."""
    save(png(pixels(figure)), path)


def save(content: bytes, path: Path) -> None:
    """Write a file atomically, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole_bytes(content, path)
