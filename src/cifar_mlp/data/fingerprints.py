"""Bit for bit the same images: a digest of every 10,000 of them with their labels, whatever they were read from."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cifar_mlp.data.batch_files import Labels, Part, Pixels

# Of CIFAR-100 none is here yet: it must be computed from an original, and none was at hand.
# SHA-256 of the labels, int64, and then the pixels of each batch, in the authors' order.
CIFAR10_FINGERPRINTS: dict[Part, tuple[str, ...]] = {
    "train": (
        "c515ee719fe6a7dea29bccfafe57632bc55a0af5e4bf7af96ccbd8d4b25f9f6a",
        "7bde1c943068a1caeb1121196fd02b46cf3b184bdc224e7d3624ec7b37ac9c3d",
        "3ca967b1b3c4711807c25b5d2596d7f663be4dccd3445e0e2c0221847d2d3436",
        "de9be544df7c38f16e8c569f985f24bb70dda68145427a3872bf15cfd3f10f3c",
        "996ad3ea12cce2f56f2525cf2d7f2a1f0e838a8e26dc743bcdc8d5c050328b4e",
    ),
    "test": ("eba4797bb15bdfbdc888a65c9e56e83632aa990818919b7dc0eb9e3b8ec98f45",),
}


def digests(pixels: Pixels, labels: Labels, num_batches: int) -> list[str]:
    """SHA-256 of each batch's labels and pixels, in order.

    Args:
        pixels: uint8 ``(N, 3072)``.
        labels: ``(N,)``, int64.
        num_batches: How many equal parts the images fall into.
    """

    def digest(batch: tuple[Pixels, Labels]) -> str:
        found = hashlib.sha256(batch[1].astype("<i8").tobytes())
        found.update(np.ascontiguousarray(batch[0]).data)
        return found.hexdigest()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(digest, zip(np.split(pixels, num_batches), np.split(labels, num_batches), strict=True)))


def in_known_order(pixels: Pixels, labels: Labels, expected: Sequence[str], where: str) -> tuple[Pixels, Labels]:
    """Images and labels in the authors' order; Hugging Face keeps the batches in another one.

    Args:
        pixels: uint8 ``(N, 3072)``.
        labels: ``(N,)``.
        expected: Digest of each batch.
        where: Names the files in a message.

    Raises:
        ValueError: If they are not the images that ``expected`` describes.
    """
    found = digests(pixels, labels, len(expected))
    if found == list(expected):
        return pixels, labels
    if sorted(found) != sorted(expected):
        wrong = [f"batch {number}" for number, digest in enumerate(found, 1) if digest not in expected]
        raise ValueError(
            f"{where} does not hold the published images and labels: {', '.join(wrong)} of {len(expected)} differs; "
            "replace it with the original"
        )
    order = [found.index(digest) for digest in expected]
    return (
        np.concatenate([np.split(pixels, len(expected))[index] for index in order]),
        np.concatenate([np.split(labels, len(expected))[index] for index in order]),
    )
