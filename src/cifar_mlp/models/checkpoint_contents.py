"""A checkpoint that is enough: the preprocessing and class names are in it, and what a resumed training needs."""

from pathlib import Path
from typing import Any, Self

from lightning.pytorch import LightningModule

from cifar_mlp.common.checkpoint_checksum import require_whole
from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.int8_weights import restore_matrices
from cifar_mlp.models.mlp import MLP
from cifar_mlp.models.resumed_optimizer import override_restored
from cifar_mlp.models.training_mean import TrainingMean, of_all_processes


class SelfContained(LightningModule):
    """What a :class:`Classifier` writes into its checkpoints, and takes from them.

    Attributes:
        settings: All settings of the module, as plain JSON.
        network: The network.
        preprocessing: From byte images to features; ``None`` where the data are features.
        class_names: By label.
        training_mean: The epoch's loss and accuracy so far.
        decided_matmuls: Which library multiplies what, in hand-derived steps.
    """

    settings: dict[str, Any]
    network: MLP
    preprocessing: Preprocessing | None
    class_names: list[str]
    training_mean: TrainingMean
    decided_matmuls: dict[str, str] | None = None

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Self:
        """Lightning's, for a file whose checksums are right.

        Raises:
            ValueError: If it is damaged; names it.
        """
        if isinstance(checkpoint_path, str | Path):
            require_whole(checkpoint_path)
        loaded: Self = super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        return loaded

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the tensors alone do not say."""
        checkpoint["cifar_mlp"] = {
            "model": "Classifier",
            "preprocessing": None if self.preprocessing is None else self.preprocessing.spec,
            "class_names": self.class_names,
        }
        if self.decided_matmuls:
            checkpoint["cifar_mlp"]["matmuls"] = dict(self.decided_matmuls)
        checkpoint["training_mean"] = of_all_processes(self.training_mean.state())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for the checkpoint's preprocessing; its tensors follow with the weights."""
        restore_matrices(checkpoint)
        extra = checkpoint["cifar_mlp"]
        self.class_names = extra["class_names"]
        if extra["preprocessing"] is not None:
            self.preprocessing = Preprocessing(**extra["preprocessing"]).to(self.device)
        if self._trainer is not None and self._trainer.state.fn == "fit":
            if self._trainer.precision == "64-true":  # Lightning widens the weights only after it has loaded them
                self.double()
            self.keep_matmuls(checkpoint)
            override_restored(checkpoint, self.settings, self.network.parameters())
            means = checkpoint.get("training_mean", [])
            if len(means) == self._trainer.world_size:
                self.training_mean.load(means[self._trainer.global_rank], self._trainer.strategy.root_device)

    def keep_matmuls(self, checkpoint: dict[str, Any]) -> None:
        """Multiply by the libraries that a checkpoint's training has used, unless others are asked for now."""
        if checkpoint["hyper_parameters"].get("matmuls") == self.settings["matmuls"]:
            self.decided_matmuls = checkpoint["cifar_mlp"].get("matmuls")
