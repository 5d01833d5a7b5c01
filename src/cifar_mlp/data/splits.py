"""Split the training images into training and validation."""

from typing import Literal

import torch
from torch import Tensor

from cifar_mlp.common.seeds import derived_seed

Split = Literal["report", "random"]


def count_training_images(num_images: int, val_size: int, num_folds: int | None, fold: int) -> int:
    """How many of ``num_images`` are left for training (of unequal folds, the fewest).

    Raises:
        ValueError: For an impossible split; names the option.
    """
    if num_folds is None:
        if fold != 0:
            raise ValueError("--data.fold needs --data.num_folds")
        if not 0 <= val_size < num_images:
            raise ValueError(
                f"--data.val_size must be between 0 (no validation) and {num_images - 1}, so that some of the "
                f"{num_images} images are left for training, not {val_size}"
            )
        return num_images - val_size
    if val_size == 0:
        raise ValueError(f"--data.val_size 0 leaves no validation, --data.num_folds {num_folds} needs one: drop one")
    if not 2 <= num_folds <= num_images:
        raise ValueError(f"--data.num_folds must be between 2 and {num_images}, not {num_folds}")
    if not 0 <= fold < num_folds:
        raise ValueError(f"--data.fold must be between 0 and {num_folds - 1}, not {fold}")
    return num_images - -(-num_images // num_folds)


def train_val_indices(
    labels_N: Tensor, split: Split, val_size: int, num_folds: int | None, fold: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Divide the N training images into a training and a validation split.

    Args:
        labels_N: Label of each image.
        split: ``report`` holds out the last ``val_size`` images; ``random`` a stratified draw of that many.
        val_size: Images held out; 0 leaves all for training.
        num_folds: If given, stratified cross-validation instead: the images fall into this many folds.
        fold: Which fold is held out, from 0.
        seed: Decides the draw and the folds.

    Returns:
        Indices of the two splits, each rising.
    """
    try:
        return _divide(labels_N, split, val_size, num_folds, fold, seed)
    except ValueError as error:  # scikit-learn's words for a class of too few images
        option = f"--data.val_size {val_size}" if num_folds is None else f"--data.num_folds {num_folds}"
        raise ValueError(f"{option} leaves no share of every class in both splits ({error})") from error


def stratified_order(labels_N: Tensor, seed: int) -> Tensor:
    """The N images in an order of which any last ones, or any in a row, are a stratified draw.

    Each class is shuffled and spread evenly over the order. One image of each class comes first, so that what is held
    out leaves one to train on, however small a class is; scikit-learn's stratified draws refuse small classes.

    Args:
        labels_N: Label of each image, int64.
        seed: Decides the order.

    Returns:
        Their indices, ``(N,)``.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, "stratified order"))
    shuffled = torch.randperm(len(labels_N), generator=generator)
    by_class = shuffled[labels_N[shuffled].argsort(stable=True)]
    counts_C = torch.bincount(labels_N)
    rank_N = torch.arange(len(labels_N)) - (counts_C.cumsum(0) - counts_C).repeat_interleave(counts_C)
    shift_C = torch.rand(len(counts_C), generator=generator, dtype=torch.float64)
    place_N = (rank_N + shift_C.repeat_interleave(counts_C)) / counts_C.repeat_interleave(counts_C)
    return by_class[place_N.where(rank_N > 0, 0.0).argsort(stable=True)]


def _divide(
    labels_N: Tensor, split: Split, val_size: int, num_folds: int | None, fold: int, seed: int
) -> tuple[Tensor, Tensor]:
    num_images = len(labels_N)
    order = torch.arange(num_images)
    if num_folds is not None:
        from sklearn.model_selection import StratifiedKFold

        folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
        train, val = list(folds.split(labels_N, labels_N))[fold]
        return torch.from_numpy(train), torch.from_numpy(val)
    if split == "report" or val_size == 0:
        return order[: num_images - val_size], order[num_images - val_size :]
    from sklearn.model_selection import train_test_split

    train, val = train_test_split(range(num_images), test_size=val_size, stratify=labels_N, random_state=seed)
    return torch.tensor(sorted(train)), torch.tensor(sorted(val))
