"""Two runs side by side."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from cifar_mlp.pictures.style import COLOURS, GREY, new_figure, plain, titled

Curves = Mapping[str, tuple[Sequence[int], Sequence[float]]]
MARKS = ("o", "D")


def compared_curves(runs: Sequence[tuple[str, Curves]]) -> Figure:
    """Loss and accuracy of two runs: training thin and dashed, validation bold.

    Args:
        runs: Name and curves, by tags such as ``val/loss``.
    """
    figure = new_figure(9.5, 4)
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for (name, curves), colour in zip(runs, COLOURS[:2], strict=True):
            for stage, style in (("train", {"ls": "--", "lw": 1.0}), ("val", {"ls": "-", "lw": 2.0})):
                steps, values = curves.get(f"{stage}/{quantity}", ((), ()))
                alone = {"marker": "o", "ms": 3.5} if len(steps) < 2 else {}
                label = f"{name}, {'training' if stage == 'train' else 'validation'}"
                axes.plot(steps, values, color=colour, label=label, **style, **alone)
        axes.set(xlabel="optimizer step", ylabel=quantity)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        plain(axes)
    return titled(figure, f"{runs[0][0]} and {runs[1][0]}", 2)


def compared_classes(runs: Sequence[tuple[str, Mapping[str, float]]]) -> Figure:
    """Accuracy of each class in two runs, a line a class.

    Args:
        runs: Name and accuracy by class, in 0..1.
    """
    (_, first), (_, second) = runs
    names = [name for name in first if name in second]
    figure = new_figure(7, 1.7 + 0.27 * max(len(names), 1))
    axes = figure.add_subplot()
    places = range(len(names))
    axes.hlines(places, [100 * first[name] for name in names], [100 * second[name] for name in names],
                color=GREY, lw=1.5, zorder=1)  # fmt: skip
    for (name, accuracy), colour, mark in zip(runs, COLOURS[:2], MARKS, strict=True):
        values = [100 * accuracy[one] for one in names]
        axes.scatter(values, places, color=colour, marker=mark, s=34, label=name, zorder=2)
    axes.set_yticks(places, names)
    axes.set(xlabel="validation accuracy of the class, %", xlim=(-2, 102))
    axes.invert_yaxis()
    plain(axes, "x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return titled(figure, "Each class at the last validation", 2)
