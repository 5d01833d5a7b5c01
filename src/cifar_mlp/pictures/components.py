"""Principal components: as images, by variance, and what they keep of an image."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.style import BLUE, BODY, VERMILION, labels_of, new_figure, plain, titled
from cifar_mlp.pictures.tiles import Caption, about_grey, gallery

# Shape legend: N = images, K = principal components, D = pixels


@torch.no_grad()
def coefficients(preprocessing: Any, images: Tensor) -> Tensor:
    """Projections of byte images on the components, before any whitening, ``(N, K)``, in scaled pixels."""
    features_NK: Tensor = preprocessing(images)
    pca = preprocessing.pca
    return features_NK * torch.sqrt(pca.explained_variance + pca.epsilon) if pca.whiten else features_NK


@torch.no_grad()
def explained_shares(preprocessing: Any, images: Tensor) -> Tensor:
    """Share of the images' variance about the training mean that each component explains, ``(K,)``, float64."""
    scaled_ND = (images.flatten(1).float() - preprocessing.shift) * preprocessing.scale
    total = (scaled_ND - preprocessing.pca.mean).double().square().sum()
    return (coefficients(preprocessing, images).double().square().sum(0) / total.clamp(min=1e-300)).cpu()


@torch.no_grad()
def reconstruct(preprocessing: Any, images: Tensor, count: int) -> Tensor:
    """Byte images reconstructed from their first ``count`` components, uint8, the same shape."""
    features_NK = preprocessing(images)
    features_NK[:, count:] = 0
    return preprocessing.inverse(features_NK).round().clamp(0, 255).byte()


def eigen_images(preprocessing: Any) -> Figure:
    """The 48 leading components of a fitted preprocessing as images about mid-grey."""
    pca = preprocessing.pca
    directions = (pca.components[:48] / preprocessing.scale).unflatten(1, preprocessing.spec["image_shape"]).cpu()
    variances = pca.explained_variance.double()
    captions = [Caption(f"{index + 1}") for index in range(len(directions))]
    return gallery(
        about_grey(directions),
        min(12, len(directions)),
        f"Eigen-images: principal components 1 to {len(directions)} of {len(variances):,}",
        captions,
        note="By falling variance. Bright: positive. Dark: negative. Grey: zero. The sign is arbitrary.",
        tile=0.72,
    )


def reconstructions(preprocessing: Any, images: Tensor, labels: Tensor, class_names: Sequence[str]) -> Figure:
    """The first image of each of up to ten classes, and its reconstructions from more and more components.

    Args:
        preprocessing: Fitted, with a PCA.
        images: uint8 ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
        class_names: By label.
    """
    first = [int((labels == label).nonzero()[0]) for label in labels.unique()[:10]]
    chosen = images[first].to(preprocessing.scale.device)
    shares = explained_shares(preprocessing, images.to(preprocessing.scale.device)).cumsum(0)
    counts = _ladder(len(shares))
    rows = torch.cat([chosen, *(reconstruct(preprocessing, chosen, count) for count in counts)])
    names = ["original", *(f"{count:,} components\n{100 * shares[count - 1]:.1f} % of variance" for count in counts)]
    heads = [labels_of(class_names)[label] for label in labels[first].tolist()]
    title = "Reconstructions from the leading principal components"
    return gallery(rows.cpu(), len(first), title, rows=names, heads=heads, tile=0.8)


def explained_variance(preprocessing: Any, images: Tensor) -> Figure:
    """Variance of each component, and the cumulative share that they explain of held-out images.

    Args:
        preprocessing: Fitted, with a PCA.
        images: uint8 ``(N, channels, height, width)``, held out.
    """
    shares = explained_shares(preprocessing, images.to(preprocessing.scale.device)).cumsum(0)
    variances = preprocessing.pca.explained_variance.cpu()
    number = range(1, len(shares) + 1)
    figure = new_figure(9, 3.6, arranged=False)
    figure.subplots_adjust(0.075, 0.135, 0.98, 0.83, wspace=0.2)
    spectrum, total = figure.subplots(1, 2)
    spectrum.loglog(number, variances.clamp(min=1e-12).tolist(), color=BLUE)
    spectrum.set(xlabel="component", ylabel="variance (scaled pixels squared)")
    spectrum.set_title("Variance of each component, training split", fontsize=BODY + 0.5)
    spectrum.xaxis.set_major_formatter("{x:,.0f}")
    total.plot(number, (100 * shares).tolist(), color=BLUE)
    total.set(xlabel="components kept", ylabel="explained variance, %", ylim=(0, 104), xlim=(0, len(shares) * 1.03))
    total.set_title(f"Cumulative, on {len(images):,} held-out images", fontsize=BODY + 0.5)
    total.xaxis.set_major_formatter("{x:,.0f}")
    for level in (80, 90, 95, 99):
        count = int((100 * shares < level).sum()) + 1
        if count <= len(shares):
            share = 100 * float(shares[count - 1])
            total.plot(count, share, "o", color=VERMILION, markersize=4)
            late = count > 0.8 * len(shares)  # its label goes left of the point, above the curve
            total.annotate(
                f"{level} %: {count:,}", (count, share), fontsize=BODY, ha="right" if late else "left",
                xytext=(-4, 5) if late else (4, -12), textcoords="offset points",
            )  # fmt: skip
    for axes in (spectrum, total):
        plain(axes)
    kept = 100 * float(shares[-1])
    return titled(figure, f"{len(shares):,} principal components explain {kept:.1f} % of the variance")


def _ladder(most: int) -> list[int]:
    """A few numbers of components up to all, each about three times the previous one."""
    steps = [count for count in (3, 10, 30, 100, 300, 1000, 3000) if count * 1.5 < most]
    return [*steps[-4:], most]
