"""A checkpoint on trial: what the page shows of it, as plain JSON."""

import base64
import random
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.demo import sentences
from cifar_mlp.demo.answers import Unit, curve, parts_of, probabilities, reconstruction, units
from cifar_mlp.demo.similar import Neighbours
from cifar_mlp.export.metadata import accuracies
from cifar_mlp.pictures.style import png
from cifar_mlp.pictures.tiles import as_rgb
from cifar_mlp.training.checkpoint_data import data_of
from cifar_mlp.training.trained_network import read_network

PICKS = 10  # test images offered at a time


class Trial:
    """A trained network and, where they are at hand, its images.

    Args:
        path: Of the checkpoint.
        root: Of the images; ``None``: as the checkpoint or the environment says.

    Raises:
        ValueError: If it is no checkpoint of this package, was trained on features, or diverged.
        OSError: If the images are not where ``root`` says.
    """

    def __init__(self, path: Path, root: str | None = None) -> None:
        self.path = path
        content, self.model = read_network(path)
        self.parts = parts_of(self.model)
        if not all(tensor.isfinite().all() for tensor in self.model.parameters()):
            raise ValueError(f"{path}: its weights are not finite, so it answers nothing")
        self.classes = list(self.model.class_names)
        self.image_shape: tuple[int, int, int] = tuple(self.parts[0].preprocessing.spec["image_shape"])
        self.accuracy = (content.get("accuracy") or accuracies(content, path) or {}).get("test/accuracy")
        self.test: tuple[Tensor, Tensor] | None = None
        self.missing = ""
        self._neighbours: tuple[int, Neighbours, Tensor, Tensor] | None = None
        self._lock = Lock()
        try:
            self.data: CIFAR10DataModule = data_of(content, **({} if root is None else {"root": root}))
            self.test = self.data.source.load(self.data.root, "test", self.data.seed)
        except (OSError, ValueError) as error:
            if root is not None:
                raise
            self.missing = str(error).partition(";")[0]  # what would do instead is too much for a page

    def components(self, number: int) -> int | None:
        """How many principal components a network is given; ``None`` of one on pixels."""
        found: int | None = self.parts[number].preprocessing.spec["n_components"]
        return found

    def about(self) -> dict[str, Any]:
        """What the page says before there is an image."""
        return {
            "name": self.path.stem,
            "summary": sentences.summary(self.parts, self.accuracy),
            "classes": self.classes,
            "image_shape": list(self.image_shape),
            "components": [self.components(number) for number in range(len(self.parts))],
            "missing": self.missing,
        }

    def picks(self) -> list[dict[str, Any]]:
        """Test images to choose from, drawn again: one of each of ten classes, while there are so many."""
        if self.test is None:
            return []
        images, labels = self.test
        places: dict[int, int] = {}
        for place in torch.randperm(len(labels)).tolist():
            places.setdefault(int(labels[place]), place)
        chosen = random.sample(sorted(places), min(PICKS, len(places)))
        return [self._named(images[places[label]], label) for label in sorted(chosen)]

    def look(self, image: Tensor, number: int, count: int | None) -> dict[str, Any]:
        """What the network makes of an image.

        Args:
            image: uint8 ``(channels, height, width)``.
            number: Of the network whose inner values are shown.
            count: Principal components kept; ``None`` keeps all.
        """
        found, whole = (probabilities(self.parts, image, requested) for requested in (count, None))
        answer, several = int(found.argmax()), len(self.parts) > 1
        shown = {
            "probabilities": found.tolist(),
            "whole": whole.tolist(),
            "answer": answer,
            "bars": sentences.bars(len(self.parts), self.model.settings["test_time"], count is not None),
            "units": [self._unit(unit, number) for unit in units(self.parts[number], image, count, answer)],
            "measure": sentences.measure(self._is_linear(number), self.classes[answer], number if several else None),
        }
        most = self.components(number)
        return shown if most is None else shown | self._kept(image, number, most if count is None else count, most)

    def _kept(self, image: Tensor, number: int, count: int, most: int) -> dict[str, Any]:
        rebuilt, share = reconstruction(self.parts[number], image, count)
        found = curve(self.parts, image, most)
        return {
            "kept": count,
            "reconstruction": picture(rebuilt),
            "share": share,
            "curve": found._asdict(),
            "settled": sentences.settled(self.classes[found.answer], found.settled),
        }

    def _is_linear(self, number: int) -> bool:
        return len(self.parts[number].network.hidden) == 0

    def _unit(self, unit: Unit, number: int) -> dict[str, str]:
        return {
            "name": self.classes[unit.number] if self._is_linear(number) else f"unit {unit.number + 1}",
            "contribution": f"{unit.contribution:+.2f}".replace("-", "−"),
            "image": picture(unit.weights),
        }

    def similar(self, image: Tensor, number: int, count: int | None) -> dict[str, Any]:
        """The training images nearest to an image, by features and by the last hidden layer.

        Raises:
            OSError, ValueError: If the training images are not at hand.
        """
        with self._lock:  # two requests would compute all features twice
            if self._neighbours is None or self._neighbours[0] != number:
                images, labels = self.data.train_images()
                self._neighbours = number, Neighbours(self.parts[number], images), images, labels
            _, neighbours, images, labels = self._neighbours
        found = {"features": neighbours.by_features(image, count), "hidden": neighbours.by_last_hidden(image, count)}
        spaces = {
            space: [self._named(images[place], int(labels[place])) for place in places]
            for space, places in found.items()
        }
        return {"answer": self.classes[int(probabilities(self.parts, image, count).argmax())], **spaces}

    def _named(self, image: Tensor, label: int) -> dict[str, Any]:
        return {"class": self.classes[label], "image": picture(image)}


def picture(image: Tensor) -> str:
    """One image, bytes or levels from 0 to 1, ``(1 or 3, height, width)``, as a data URL of a PNG file."""
    return "data:image/png;base64," + base64.b64encode(png(as_rgb(image[None])[0])).decode()
