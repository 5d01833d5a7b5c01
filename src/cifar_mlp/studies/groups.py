"""What is compared: a run, a checkpoint or a study, as one answer for each image."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from cifar_mlp.cli.checkpoint_option import checkpoint_file
from cifar_mlp.studies.members import VALIDATION, Seen, each, same_images
from cifar_mlp.studies.study import finished

# Shape legend: N = images


class Group(NamedTuple):
    """One network or several, on the images that they have not seen.

    Attributes:
        name: For people.
        runs: Networks in it.
        seen: These images, rising, with the mean of the networks' probabilities.
        right: The share of the networks that are right, float64 ``(N,)``.
        by_seed: Accuracy of each network on all the images, by its seed; empty where they saw different ones.
        class_names: By label.
    """

    name: str
    runs: int
    seen: Seen
    right: Tensor
    by_seed: dict[int, float]
    class_names: list[str]

    @property
    def predicted(self) -> Tensor:
        """The class of the mean probability, ``(N,)``."""
        return self.seen.probabilities.argmax(1)


def checkpoints_of(path: Path) -> list[Path]:
    """The checkpoint of a run or file; of a study those of its runs.

    Raises:
        FileNotFoundError: If there is none.
    """
    if (path / "runs").is_dir():
        found = list(finished(path))
        if not found:
            raise FileNotFoundError(f"{path} is a study without a finished run")
        return found
    return [checkpoint_file(str(path), None, training=False)]


def read_group(path: Path, which: str) -> Group:
    """Predict with all networks of a run or study.

    Args:
        path: Of a checkpoint, a run's folder or a study's.
        which: ``validation`` or ``test``.

    Raises:
        ValueError: If some but not all networks share images.
    """
    parts: list[Seen] = []
    seeds: list[int] = []
    names: list[str] = []
    for member, unseen in each(checkpoints_of(path), which):
        parts.append(unseen)
        seeds.append(member.data.seed)
        names = list(member.model.class_names)
    first = parts[0]
    if same_images(parts):
        probabilities = torch.stack([part.probabilities for part in parts])
        right_RN = (probabilities.argmax(2) == first.labels).double()
        by_seed = dict(zip(seeds, right_RN.mean(1).tolist(), strict=True)) if len(set(seeds)) == len(seeds) else {}
        found = Seen(first.indices, first.images, first.labels, probabilities.mean(0))
        right = right_RN.mean(0)
    else:
        found = Seen(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
        if len(found.indices.unique()) != len(found.indices):
            raise ValueError(f"{path}: its runs hold out sets of images that overlap; compare them by --on test")
        order = found.indices.argsort()
        found, by_seed = Seen(*(column[order] for column in found)), {}
        right = (found.probabilities.argmax(1) == found.labels).double()
    return Group(str(path), len(parts), found, right, by_seed, names)


def require_same_images(first: Group, second: Group, which: str) -> None:
    """Refuse two groups that were asked about different images, ``validation`` or ``test``.

    Raises:
        ValueError: Says what to do.
    """
    if not same_images([first.seen, second.seen]) or first.class_names != second.class_names:
        remedy = "; give --on test" if which == VALIDATION else ""
        raise ValueError(
            f"{first.name} and {second.name} do not have the same {which} images ({len(first.right):,} and "
            f"{len(second.right):,}): only the same images can be compared{remedy}"
        )
