"""The part of a LightningModule that trains with hand-derived gradients where it can, else with autograd."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor
from torch.optim import Optimizer

from cifar_mlp.data.augment.mixing import MixedBatch
from cifar_mlp.models.hand_derived.coverage import may_deliver, why_autograd
from cifar_mlp.models.hand_derived.flat import FlatParameters
from cifar_mlp.models.hand_derived.kernels import libraries
from cifar_mlp.models.hand_derived.matmuls import MatmulChoice, choices_in
from cifar_mlp.models.hand_derived.steps import HandDerivedLoss, HandDerivedSteps
from cifar_mlp.models.loss import mixed_loss, mixed_targets, training_loss
from cifar_mlp.models.mlp import MLP
from cifar_mlp.models.recipes import Recipe, from_recipe
from cifar_mlp.parity.network import read_module

CACHE = "~/.cache/cifar_mlp"  # where the data module names no other


class HandDerivedTraining(LightningModule):
    """Gives a module its loss, its backward pass and its optimizer.

    On one device the steps leave their gradients in one tensor, which the optimizer takes as it is. On several, under
    anybody's own ``backward``, and once layers are frozen, autograd's engine passes them on.

    Attributes:
        settings: ``gradients``, ``label_smoothing``, ``regularization``, ``matmuls``.
        network: What is trained.
        decided_matmuls: Which library multiplies what.
    """

    settings: dict[str, Any]
    network: MLP
    _hand_derived: bool | None = None  # not decided
    _steps: HandDerivedSteps | None = None
    _delivers = False
    decided_matmuls: dict[str, str] | None = None

    def training_loss(self, features: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        """Loss ``()``, ready for ``backward``, and logits ``(N, classes)`` of a batch.

        Args:
            features: Of the batch, ``(N, in_features)``.
            batch: Has the labels in its second place; where each image has two, in its third, with the first's share.
        """
        hand_derived = self.settings["gradients"] == "hand" if self._hand_derived is None else self._hand_derived
        if not hand_derived:
            if isinstance(batch, MixedBatch):
                return mixed_loss(self.network, features, batch, self.settings)
            return training_loss(self.network, features, batch[1], self.settings)
        labels = mixed_targets(batch, self.settings) if isinstance(batch, MixedBatch) else batch[1]
        if self._delivers and self._steps is not None and self._steps.any_frozen():
            self._train_the_rest()
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

    def gather_gradients(self) -> None:
        """Let the next batches add to the gradients that a resumed training has put into the parameters."""
        if self._delivers and self._steps is not None and self._steps.flat is not None:
            self._steps.flat.gather_gradients()

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Forget the gradients; those that the steps deliver are one tensor, which needs none of PyTorch's walk."""
        if self._delivers and self._steps is not None and self._steps.flat is not None:
            self._steps.flat.parameter.grad = None
        else:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def teardown(self, stage: str) -> None:
        """Free the buffers."""
        self._hand_derived, self._steps, self._delivers = None, None, False

    def make_optimizer(self, recipe: Recipe) -> Optimizer:
        """The optimizer of a recipe, for all parameters together where the steps give all their gradients at once."""
        make: Any = from_recipe(recipe)
        parameters = list(self.network.parameters())
        self._hand_derived = why_autograd(self, self.trainer) is None
        self._delivers = self._hand_derived and may_deliver(self, self.trainer, make.func)
        if not self._delivers:
            self._steps = None
            alone: Optimizer = make(parameters)
            return alone
        flat = FlatParameters(parameters)
        self._steps = self._make_steps(flat)
        optimizer: Optimizer = make([flat.parameter])
        flat.save_by_parameter(optimizer)
        return optimizer

    def describe_steps(self, trainer: Any, batch_size: int) -> str:
        """Which gradients train, why, and which library multiplies; decides that where it is measured.

        Args:
            trainer: That is about to fit.
            batch_size: Of its batches.
        """
        why = why_autograd(self, trainer)
        if why is not None:
            return f"gradients by autograd ({why})"
        if trainer.strategy.root_device.type != "cpu" or "network" not in self._modules:
            return "hand-derived gradients"
        matmuls = self._choose_matmuls(getattr(trainer, "datamodule", None))
        dtypes = {"bf16": torch.bfloat16, "64": torch.float64}
        dtype = next((one for name, one in dtypes.items() if name in str(trainer.precision)), torch.float32)
        libraries(read_module(self.network), batch_size, dtype, matmuls)
        return f"hand-derived gradients, {matmuls.describe()}"

    def _train_the_rest(self) -> None:
        assert self._steps is not None
        assert self._steps.flat is not None
        rank_zero_info("layers are frozen: from here on autograd's engine hands the gradients to the others")
        (optimizer,) = self.trainer.optimizers
        self._steps.flat.part(optimizer)
        self._steps, self._delivers = None, False

    def _make_steps(self, flat: FlatParameters | None) -> HandDerivedSteps:
        smoothing, regularization = self.settings["label_smoothing"], self.settings["regularization"]
        matmuls = self._choose_matmuls(None if self._trainer is None else getattr(self.trainer, "datamodule", None))
        return HandDerivedSteps(self.network, smoothing, regularization, matmuls, flat)

    def _choose_matmuls(self, data: Any) -> MatmulChoice:
        forced = self.settings["matmuls"]
        kept = choices_in(getattr(data, "cache_dir", CACHE)) if forced == "auto" else None
        matmuls = MatmulChoice(forced, self.decided_matmuls, kept)
        self.decided_matmuls = matmuls.decided
        return matmuls
