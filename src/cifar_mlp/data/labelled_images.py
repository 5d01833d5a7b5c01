"""The images of a source: how many train, validate and test, and which."""

from typing import Any

from torch import Tensor

from cifar_mlp.data.checks import check_sizes
from cifar_mlp.data.forms.batch_files import Part
from cifar_mlp.data.sources import Source
from cifar_mlp.data.splits import Split, count_training_images, train_val_indices


class LabelledImages:
    """A source under the data module's settings. Each part is read once, and no file before it is needed.

    Args:
        source: Where the images come from.
        settings: The data module's.

    Attributes:
        num_train: Images that train; 0 until they are counted.
        num_val: Images held out.
        test_size: Test images used.
    """

    def __init__(self, source: Source, settings: dict[str, Any]) -> None:
        self.source, self.settings = source, settings
        self.num_train = self.num_val = self.test_size = self._val_size = 0
        self._loaded: dict[Part, tuple[Tensor, Tensor]] = {}

    def count(self) -> None:
        """How many images each split gets, as far as the source tells.

        Raises:
            ValueError: For sizes that the images do not allow; names the option.
        """
        source, options = self.source, self.settings
        self._val_size = source.default_val_size if options["val_size"] is None else options["val_size"]
        self.test_size = source.num_test if options["test_size"] is None else options["test_size"]
        self.num_train = count_training_images(source.num_train, self._val_size, options["num_folds"], options["fold"])
        self.num_val = source.num_train - self.num_train
        check_sizes(options["batch_size"], options["n_components"], self.num_train, self.test_size, source.num_test)

    def load(self, part: Part) -> tuple[Tensor, Tensor]:
        """Images of ``part``, uint8 ``(N, channels, height, width)``, and labels, int64 ``(N,)``."""
        if part not in self._loaded:
            if self.num_train == 0:
                self.count()
            self._loaded[part] = self.source.load(self.settings["root"], part, self.settings["seed"])
        return self._loaded[part]

    def indices(self) -> tuple[Tensor, Tensor]:
        """Which images train and which validate, both rising; from then on the numbers are exact, as folds differ."""
        options = self.settings
        # The digits come in no particular order, so the report's split has no meaning for them.
        split: Split = "random" if self.source.name == "digits" else options["split"]
        labels = self.load("train")[1]
        train, val = train_val_indices(
            labels, split, self._val_size, options["num_folds"], options["fold"], options["seed"]
        )
        self.num_train, self.num_val = len(train), len(val)
        return train, val
