"""Options of the data module that cannot work, refused by name before any file is opened."""

from collections.abc import Collection
from typing import Any, Literal, get_args

from cifar_mlp.data.loader import Sampling
from cifar_mlp.data.pca_fit import Solver
from cifar_mlp.data.sources import SOURCES
from cifar_mlp.data.splits import Split

FeatureType = Literal["float64", "float32", "bfloat16", "float16"]
CHOICES: dict[str, Collection[str | None]] = {
    "source": SOURCES,
    "split": get_args(Split),
    "sampling": get_args(Sampling),
    "pca_solver": get_args(Solver),
    "dtype": (None, *get_args(FeatureType)),
}


def check_choices(settings: dict[str, Any]) -> None:
    """Raise ``ValueError`` for a name that is not among an option's choices."""
    for option, choices in CHOICES.items():
        if settings[option] not in choices:
            raise ValueError(f"--data.{option} must be one of {', '.join(map(str, choices))}, not {settings[option]!r}")


def check_sizes(batch_size: int, n_components: int | None, num_train: int, test_size: int, num_test: int) -> None:
    """Raise ``ValueError`` for a size that the images do not allow."""
    for option, size, most, part in (
        ("batch_size", batch_size, num_train, "training"),
        ("test_size", test_size, num_test, "test"),
    ):
        if not 1 <= size <= most:
            raise ValueError(f"--data.{option} must be between 1 and the {most} {part} images, not {size}")
    if n_components is not None and n_components > num_train:
        raise ValueError(f"--data.n_components {n_components} is more than the {num_train} training images")
