"""Bit for bit the same images: a digest of every 10,000 of them with their labels, whatever they were read from."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cifar_mlp.data.forms.batch_files import Labels, Part, Pixels, Records

# Computed from an original. SHA-256 of the labels, int64, and then the pixels of each batch, in the authors' order.
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

# SHA-256 of the authors' binary files of CIFAR-100. No original was at hand; they stand in ankane/torchvision-ruby,
# lib/torchvision/datasets/cifar100.rb. That repository's digests of CIFAR-10's six binary files are those of an
# original, as are the MD5s in rai-project/dldataset, vision/cifar10.go. Of these two files, vision/cifar100.go there
# gives the MD5s 6172c7755cfe09b2fe270c85cebc1b15 and 4499cfba6c016c1be1438163640a0898.
CIFAR100_FILES: dict[Part, str] = {
    "train": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
    "test": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
}


def digest_of_file(records: Records) -> str | None:
    """SHA-256 of CIFAR-100's binary file with these records: coarse label, fine label, pixels.

    ``None`` without coarse labels, or where a label is no byte.
    """
    if records.coarse is None:
        return None
    labels = np.stack([records.coarse, records.labels], 1)
    if not 0 <= labels.min() <= labels.max() < 256:
        return None
    return hashlib.sha256(np.concatenate([labels.astype(np.uint8), records.pixels], 1).data).hexdigest()


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
