"""Fit a preprocessing, unless an earlier run has fitted the same."""

import hashlib
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.data.cache import cache_path, read_cache, require_writable, write_cache
from cifar_mlp.data.pca_fit import Solver
from cifar_mlp.data.preprocessing import Preprocessing


def fit_or_read(
    preprocessing: Preprocessing,
    images: Tensor,
    train: Tensor,
    edition: dict[str, Any],
    cache_dir: str,
    solver: Solver,
    device: torch.device | str = "cpu",
) -> None:
    """Fit ``preprocessing`` in place on the training split; a PCA is kept in the cache, and read from it.

    Args:
        preprocessing: What is to be fitted.
        images: All labelled images, uint8 ``(N, channels, height, width)``.
        train: Indices of the training split, rising.
        edition: What identifies the images.
        cache_dir: Folder of fitted PCAs.
        solver: How a PCA is fitted.
        device: Where a PCA is fitted.

    Raises:
        ValueError: If the folder cannot be written, or whitening would divide by zero; names the option.
    """
    pca = preprocessing.pca
    path = cache_path(cache_dir, {**edition, **_key(preprocessing, train, solver)})
    cached = read_cache(path) if pca is not None else None
    if cached is not None:
        preprocessing.load_state_dict(cached)
    else:
        if pca is not None:
            require_writable(path.parent)
            print(f"fitting PCA: {len(train):,} images to {preprocessing.num_features} components", flush=True)
        contiguous = len(train) == int(train[-1]) + 1  # then a view will do
        preprocessing.fit(images[: len(train)] if contiguous else images[train], solver, device)
        if pca is not None:
            write_cache(path, preprocessing.state_dict())
    if pca is not None and pca.whiten and not (pca.explained_variance + pca.epsilon > 0).all():
        raise ValueError(
            f"--data.whiten divides by the variance, 0 for the last of {preprocessing.num_features} components: "
            "keep fewer by --data.n_components, or give --data.whiten_epsilon"
        )


def _key(preprocessing: Preprocessing, train: Tensor, solver: Solver) -> dict[str, Any]:
    """All that the fitted numbers depend on, beside the images."""
    return {
        "train_indices": hashlib.sha256(train.numpy().tobytes()).hexdigest(),
        "scaling": preprocessing.spec["scaling"],
        "n_components": preprocessing.spec["n_components"],
        "solver": solver,
        **({"mirror": True} if preprocessing.spec["pca_mirror"] else {}),  # else the name that former versions gave
    }
