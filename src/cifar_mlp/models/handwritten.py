"""The same system with its gradients by hand: autograd is never asked."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.optim import SGD

from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.initialization import Initialization
from cifar_mlp.models.mlp import Activation
from cifar_mlp.parity import n_layer, network


class HandwrittenClassifier(Classifier):
    """A classifier trained by the gradients that ``cifar_mlp.parity`` derives by hand.

    The objective is the report's: mean cross-entropy + regularization * sum of squared weights of the affine maps,
    without a factor 1/2, biases not penalised. ``train/loss`` is that objective; ``val/loss`` and ``test/loss`` are
    the cross-entropy alone.

    Args:
        in_features: Inputs per image; the command line takes it from the data.
        num_classes: Classes; the command line takes it from the data.
        metric_prefix: Put before the name of every metric; the command line takes it from the data.
        hidden_sizes: Units of each hidden layer, from input to output; [] is linear softmax regression.
        activation: Non-linearity of the hidden layers: relu, leaky_relu (slope 0.01), gelu, silu or tanh.
        dropout: Probability of dropping a hidden unit while training, in [0, 1).
        normalization: What normalizes each hidden layer before its activation: none or layer.
        initialization: default: PyTorch's own. kaiming: normal, variance 2 / fan_in, zero biases. normal: normal
            with standard deviation init_std, zero biases.
        init_std: Standard deviation of the weights under initialization normal.
        regularization: Factor of the sum of squared weights in the objective, not negative.
        optimizer: A torch.optim class with its settings; the report's is SGD with optimizer.lr.
        lr_scheduler: A torch.optim.lr_scheduler class with its settings, or null for a constant rate.
        lr_interval: Whether the schedule advances once a whole epoch or once a step.

    Raises:
        ValueError: For settings that cannot be; names the option.
    """

    def __init__(
        self,
        in_features: int = 3072,
        num_classes: int = 10,
        metric_prefix: str = "",
        hidden_sizes: Sequence[int] = (50,),
        activation: Activation = "relu",
        dropout: float = 0.0,
        normalization: Literal["none", "layer"] = "none",
        initialization: Initialization = "normal",
        init_std: float = 1e-4,
        regularization: float = 0.0,
        optimizer: OptimizerCallable = SGD,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        if not regularization >= 0:
            raise ValueError(f"regularization must not be negative, as {regularization} is")
        if normalization == "batch":
            raise ValueError("normalization must be none or layer with HandwrittenClassifier, not 'batch'")
        super().__init__(
            in_features,
            num_classes,
            metric_prefix,
            hidden_sizes,
            activation,
            dropout,
            normalization,
            initialization,
            init_std,
            optimizer=optimizer,
            lr_scheduler=lr_scheduler,
            lr_interval=lr_interval,
        )
        self.automatic_optimization = False
        del self.settings["label_smoothing"]
        self.settings["regularization"] = regularization
        self.hparams.clear()
        self.save_hyperparameters(self.settings, logger=False)

    def on_fit_start(self) -> None:
        """Refuse what would scale a loss that autograd never sees."""
        if self.trainer.precision == "16-mixed":
            raise ValueError("--trainer.precision 16-mixed scales autograd's loss: with HandwrittenClassifier use bf16")

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One step of the optimizer along the gradients by hand."""
        tensors = network.read_module(self.network)
        inputs = batch.inputs.to(self.network.output.weight.dtype)
        passed = n_layer.passes(
            tensors, inputs, batch.labels, self.settings["regularization"], kept=self._draw_kept(len(inputs))
        )
        for name, parameter in self.network.named_parameters():
            # Contiguous: on the CPU the fused SGD step reads a transposed view as if it were not one.
            gradient = passed.gradients[name].contiguous()
            parameter.grad = self.trainer.strategy.reduce(gradient, reduce_op="mean")  # over the processes
        optimizer: Any = self.optimizers()
        optimizer.step()
        # A whole epoch's last step, not the epoch's end: checkpoints must hold the schedule after it.
        schedule: Any = self.lr_schedulers()
        last = self.trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if schedule is not None and (self.settings["lr_interval"] == "step" or last):
            schedule.step()
        self.training_mean.add(passed.loss, passed.scores, batch.labels)
        return passed.loss

    def _draw_kept(self, num_images: int) -> list[Tensor]:
        """For each hidden layer which units dropout keeps, ``(num_images, units)``; empty without dropout."""
        if self.settings["dropout"] == 0.0:
            return []
        sizes = [(num_images, units) for units in self.settings["hidden_sizes"]]
        return [torch.rand(size, device=self.device) >= self.settings["dropout"] for size in sizes]
