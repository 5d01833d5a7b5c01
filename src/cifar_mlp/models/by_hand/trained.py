"""The part of a LightningModule that trains with hand-derived gradients where it can, else with autograd."""

from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from cifar_mlp.data.augment.mixing import MixedBatch
from cifar_mlp.models.by_hand.flat import ELEMENTWISE, FlatParameters
from cifar_mlp.models.by_hand.products import Products
from cifar_mlp.models.by_hand.steps import HandDerivedLoss, HandDerivedSteps
from cifar_mlp.models.loss import mixed_loss, mixed_targets, training_loss
from cifar_mlp.models.mlp import MLP
from cifar_mlp.models.recipes import Recipe, from_recipe


class TrainedByHand(LightningModule):
    """Gives a module its loss, its backward pass and its optimizer.

    On one device the steps leave their gradients in one tensor, which the optimizer takes as it is. On several, and
    under anybody's own ``backward``, autograd's engine passes them on.

    Attributes:
        settings: ``gradients``, ``label_smoothing``, ``regularization``, ``matmuls``.
        network: What is trained.
    """

    settings: dict[str, Any]
    network: MLP
    _steps: HandDerivedSteps | None = None
    _delivers = False
    decided_matmuls: dict[str, str] | None = None

    def training_loss(self, features: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        """Loss ``()``, ready for ``backward``, and logits ``(N, classes)`` of a batch.

        Args:
            features: Of the batch, ``(N, in_features)``.
            batch: Has the labels in its second place; where each image has two, in its third, with the first's share.
        """
        if self.settings["gradients"] == "autograd":
            if isinstance(batch, MixedBatch):
                return mixed_loss(self.network, features, batch, self.settings)
            return training_loss(self.network, features, batch[1], self.settings)
        labels = mixed_targets(batch, self.settings) if isinstance(batch, MixedBatch) else batch[1]
        if self._steps is None or self._steps.network is not self.network:
            self._steps = self._make_steps(None)
        if self._delivers:
            return self._steps(features, labels)
        found: tuple[Tensor, Tensor] = HandDerivedLoss.apply(self._steps, features, labels, *self.network.parameters())
        return found

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take the gradients that the training step has left, or let autograd derive them."""
        if self._delivers and self._steps is not None and loss.grad_fn is None:
            self._steps.deliver(1.0 / self.trainer.accumulate_grad_batches)
        else:
            super().backward(loss, *args, **kwargs)

    def teardown(self, stage: str) -> None:
        """Free the buffers."""
        self._steps, self._delivers = None, False

    def make_optimizer(self, recipe: Recipe) -> Optimizer:
        """The optimizer of a recipe, for all parameters together where the steps give all their gradients at once."""
        make: Any = from_recipe(recipe)
        parameters = list(self.network.parameters())
        self._delivers = self.settings["gradients"] == "hand" and self._may_deliver(make.func)
        if not self._delivers:
            self._steps = None
            alone: Optimizer = make(parameters)
            return alone
        flat = FlatParameters(parameters)
        self._steps = self._make_steps(flat)
        optimizer: Optimizer = make([flat.parameter])
        flat.save_by_parameter(optimizer)
        return optimizer

    def _may_deliver(self, optimizer: type[Optimizer]) -> bool:
        strategy, precision = self.trainer.strategy, self.trainer.precision_plugin
        unscaled = not isinstance(precision, MixedPrecision) or precision.scaler is None
        return (
            type(strategy) is SingleDeviceStrategy
            and isinstance(precision, Precision)
            and unscaled
            and optimizer in ELEMENTWISE
            and type(self).backward is TrainedByHand.backward
            and type(self).optimizer_zero_grad is LightningModule.optimizer_zero_grad
            and type(self).training_step.__module__.startswith("cifar_mlp.models.")  # whose loss is the steps' alone
            and self.automatic_optimization
            and all(parameter.requires_grad for parameter in self.network.parameters())
        )

    def _make_steps(self, flat: FlatParameters | None) -> HandDerivedSteps:
        smoothing, regularization = self.settings["label_smoothing"], self.settings["regularization"]
        products = Products(self.settings["matmuls"], self.decided_matmuls)
        self.decided_matmuls = products.decided
        return HandDerivedSteps(self.network, smoothing, regularization, products, flat)
