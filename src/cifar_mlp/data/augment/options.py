"""What ``--data.augment`` takes: the changes by name, each with its strength."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, get_args

Flip = Literal["random", "alternating"]
LARGEST = {"crop": "pixels", "cutout": "pixels", "rotation": 180.0, "scale": 0.9, "colour": 1.0}


class Augment(TypedDict, total=False):
    """See ``CIFAR10DataModule``'s ``augment``."""

    flip: Flip
    crop: int
    rotation: float
    scale: float
    colour: float
    cutout: int
    mixup: float
    cutmix: float


def require_two_labels(options: Mapping[str, Any], module: Any) -> None:
    """Refuse mixed images for a module that would learn from one label alone.

    Raises:
        ValueError: If images are mixed and the module does not say ``takes_two_labels``; names the option.
    """
    mixing = [name for name in ("mixup", "cutmix") if name in options]
    if mixing and not getattr(module, "takes_two_labels", False):
        raise ValueError(
            f"--data.augment.{mixing[0]} gives images two labels, which only Classifier takes: leave it out"
        )


def check_augment(options: Mapping[str, Any], image_shape: tuple[int, int, int]) -> None:
    """Refuse what cannot be.

    Raises:
        ValueError: For an unknown name or a strength out of its range; names the option.
    """
    smallest_side = min(image_shape[1:])
    for name, value in options.items():
        option = f"--data.augment.{name}"
        if name not in Augment.__annotations__:
            raise ValueError(f"{option}: there is no such change; there are {', '.join(Augment.__annotations__)}")
        if name == "flip":
            if value not in get_args(Flip):
                raise ValueError(f"{option} must be one of {', '.join(get_args(Flip))}, not {value!r}")
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        most: Any = LARGEST.get(name, float("inf"))
        most = smallest_side - 1 if most == "pixels" else most
        whole = isinstance(value, int) or name not in ("crop", "cutout")
        if not (number and whole and 0 < value <= most):
            kind = "a whole number" if name in ("crop", "cutout") else "a number"
            limit = "" if most == float("inf") else f" and at most {most}"
            raise ValueError(f"{option} must be {kind} above 0{limit}, not {value!r}; leave it out for none")
