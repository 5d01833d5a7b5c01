"""Several trained classifiers as one: the mean of their probabilities."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.classifier import Classifier

_OF_TRAINING = {"optimizer", "lr_scheduler", "lr_interval", "ema_decay"}


class Ensemble(Classifier):
    """Trained classifiers whose probabilities are averaged. It takes byte images; it is not trained.

    It averages over the views of its first member's ``test_time``.

    Args:
        member_settings: Settings of each classifier.
        validates: Whether the validation images are the same for all of them: else some were trained on.
        in_features: Of each; the command line takes it from the data.
        num_classes: Classes; the command line takes it from the data.
        metric_prefix: Put before the name of every metric; the command line takes it from the data.
    """

    def __init__(
        self,
        member_settings: Sequence[dict[str, Any]],
        validates: bool = True,
        in_features: int | None = None,
        num_classes: int = 10,
        metric_prefix: str = "",
    ) -> None:
        test_time: Any = member_settings[0].get("test_time", "none") if member_settings else "none"
        super().__init__(None, num_classes, metric_prefix, hidden_sizes=(), test_time=test_time)
        self.settings |= {"member_settings": list(member_settings), "validates": validates}
        self.save_hyperparameters(self.settings, logger=False)
        self.classifiers = nn.ModuleList(Classifier(**settings) for settings in member_settings)

    @classmethod
    def of(cls, classifiers: Sequence[Classifier], validates: bool) -> "Ensemble":
        """The ensemble of trained classifiers of the same classes; it shares their tensors."""
        first = classifiers[0]
        # without what only training needs; the optimizer's class would be looked up and made
        kept = [
            {name: value for name, value in one.settings.items() if name not in _OF_TRAINING} for one in classifiers
        ]
        made = cls(kept, validates, None, first.settings["num_classes"])
        made.settings["metric_prefix"] = made.hparams["metric_prefix"] = first.settings["metric_prefix"]
        made.classifiers = nn.ModuleList(classifiers)
        made.class_names, made.preprocessing = list(first.class_names), first.preprocessing
        return made

    def configure_model(self) -> None:
        """Nothing is left to build."""

    def members(self) -> list[Classifier]:
        """The classifiers."""
        return list(self.classifiers)  # type: ignore[arg-type]

    def forward(self, inputs: Any) -> Tensor:
        """Logarithms of the mean probabilities, ``(N, classes)``: logits whose softmax is that mean.

        Args:
            inputs: uint8 images, as for :class:`Classifier`.

        Raises:
            ValueError: For features, which mean something else to each member.
        """
        if torch.as_tensor(inputs).dtype != torch.uint8:
            raise ValueError("an ensemble takes uint8 images: each member has a preprocessing of its own")
        logs = torch.stack([torch.log_softmax(member(inputs).float(), 1) for member in self.classifiers])
        return logs.logsumexp(0) - torch.log(torch.tensor(float(len(logs))))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of a batch of the validation split.

        Raises:
            ValueError: If members were trained on it.
        """
        if not self.settings["validates"]:
            raise ValueError("members of this ensemble were trained on these images: test it, or look at its study")
        super().validation_step(batch, batch_idx)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the tensors alone do not say."""
        super().on_save_checkpoint(checkpoint)
        specs = [None if one.preprocessing is None else one.preprocessing.spec for one in self.members()]
        checkpoint["cifar_mlp"] |= {"model": "Ensemble", "members": specs}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for every member's preprocessing."""
        super().on_load_checkpoint(checkpoint)
        for member, spec in zip(self.members(), checkpoint["cifar_mlp"]["members"], strict=True):
            member.class_names = self.class_names
            member.preprocessing = None if spec is None else Preprocessing(**spec).to(self.device)
