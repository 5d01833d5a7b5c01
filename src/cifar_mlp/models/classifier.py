"""The system around a network: its settings, steps and optimizer."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import Callback
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torch.optim import Adam, Optimizer

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.averaged_views import VIEWS, TestTime, mean_probabilities
from cifar_mlp.models.averaged_weights import AveragedWeights
from cifar_mlp.models.checkpoint_contents import SelfContained
from cifar_mlp.models.evaluation import Evaluated
from cifar_mlp.models.hand_derived.matmuls import Matmuls
from cifar_mlp.models.hand_derived.training_steps import HandDerivedTraining
from cifar_mlp.models.initialization import Initialization
from cifar_mlp.models.inputs import features_of_first_batch, inputs_and_labels, to_features
from cifar_mlp.models.loss import Gradients, check_loss
from cifar_mlp.models.mlp import MLP, Activation, Normalization
from cifar_mlp.models.optimization import configured
from cifar_mlp.models.recipes import is_imported, to_recipe, try_out
from cifar_mlp.models.schedules import Schedule
from cifar_mlp.models.training_mean import TrainingMean

SHAPE = (
    "num_classes", "hidden_sizes", "activation", "dropout", "normalization", "initialization", "init_std",
    "residual_blocks", "expansion",
)  # settings of the network  # fmt: skip


class Classifier(HandDerivedTraining, Evaluated, SelfContained):
    """A fully connected network that classifies images, trained by cross-entropy.

    Byte images go through the preprocessing that it carries; features are taken as they are. Batches are pairs
    (inputs, labels) from any data module or DataLoader. The training loss is the mean cross-entropy plus
    regularization * (sum of squared weights of the affine maps, without a factor 1/2 and without biases);
    val/loss and test/loss are the cross-entropy alone.

    Args:
        in_features: Inputs per image; null counts them in the data when training starts. The command line takes it
            from the data.
        num_classes: Classes; the command line takes it from the data.
        metric_prefix: Put before the name of every metric; the command line takes it from the data.
        hidden_sizes: Units of each hidden layer, from input to output; [] is linear softmax regression.
        activation: Non-linearity of the hidden layers: relu, leaky_relu (slope 0.01), gelu, silu or tanh.
        dropout: Probability of dropping a hidden unit while training, in [0, 1).
        normalization: What normalizes each hidden layer before its activation: none, batch or layer.
        initialization: default: PyTorch's own. kaiming: normal, variance 2 / fan_in, zero biases. normal: normal
            with standard deviation init_std, zero biases.
        init_std: Standard deviation of the weights under initialization normal.
        residual_blocks: Blocks after the hidden layers, as wide as the last of them: each adds to its input what a
            hidden layer expansion times as wide and an affine map that starts at zero make of it.
        expansion: Width of a residual block's inside over that of its ends.
        label_smoothing: Share of each target spread evenly over the classes in the training loss, in [0, 1).
        regularization: Factor of the sum of squared weights in the training loss, not negative.
        gradients: hand: the hand-derived formulas of cifar_mlp.parity. autograd: derived by PyTorch. auto: hand on a
            CPU, unless layers are frozen; else autograd. The two differ by rounding.
        matmuls: Library of the matmuls of hand-derived gradients on a CPU: pytorch; onednn; or auto, the faster one
            for each, measured once on each machine and kept in the folder of data.cache_dir.
        optimizer: A torch.optim class with its settings, e.g. Adam with optimizer.lr and optimizer.weight_decay. Its
            fused step is used where it has one, unless fused or foreach is set.
        lr_scheduler: A torch.optim.lr_scheduler class with its settings, or null for a constant rate. ExponentialLR
            with gamma 0.95 is the report's decay by 0.95 an epoch. OneCycleLR by step warms up and then follows a
            cosine to the end of the training, unless its total_steps are given.
        lr_interval: Whether the schedule advances once an epoch or once a step.
        ema_decay: Share of the former average that a step keeps in a running average of the weights, in [0, 1), such as
            0.999; validation, checkpoints and exports then use the average. 0 averages nothing.
        test_time: Views of each image whose probabilities validate, test and predict average too: none; mirror: the
            image and its mirror image; shifts: both, moved by -2, 0 or 2 pixels in each direction, 18 in all.

    Raises:
        ValueError: For invalid settings; names the option.
    """

    takes_two_labels = True  # of mixed images
    takes_byte_images = True  # CIFAR10DataModule gives them in validate, test and predict

    def __init__(
        self,
        in_features: int | None = None,
        num_classes: int = 10,
        metric_prefix: str = "",
        hidden_sizes: Sequence[int] = (550, 128, 100),
        activation: Activation = "relu",
        dropout: float = 0.0,
        normalization: Normalization = "none",
        initialization: Initialization = "default",
        init_std: float = 1e-4,
        residual_blocks: int = 0,
        expansion: int = 4,
        label_smoothing: float = 0.0,
        regularization: float = 0.0,
        gradients: Gradients = "auto",
        matmuls: Matmuls = "auto",
        optimizer: OptimizerCallable = Adam,
        lr_scheduler: Callable[[Optimizer], Schedule] | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
        ema_decay: float = 0.0,
        test_time: TestTime = "none",
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "in_features": in_features,
            "num_classes": num_classes,
            "metric_prefix": metric_prefix,
            "hidden_sizes": list(hidden_sizes),
            "activation": activation,
            "dropout": dropout,
            "normalization": normalization,
            "initialization": initialization,
            "init_std": init_std,
            "residual_blocks": residual_blocks,
            "expansion": expansion,
            "label_smoothing": label_smoothing,
            "regularization": regularization,
            "gradients": gradients,
            "matmuls": matmuls,
            "optimizer": to_recipe(optimizer),
            "lr_scheduler": None if lr_scheduler is None else to_recipe(lr_scheduler),
            "lr_interval": lr_interval,
            "ema_decay": ema_decay,
            "test_time": test_time,
        }
        check_loss(self.settings)
        if not 0.0 <= ema_decay < 1.0:
            raise ValueError(f"ema_decay must be in [0, 1), not {ema_decay}")
        if test_time not in VIEWS:
            raise ValueError(f"test_time must be one of {', '.join(VIEWS)}, not {test_time!r}")
        trial = self._build(1 if in_features is None else in_features)
        if all(is_imported(self.settings[recipe]) for recipe in ("optimizer", "lr_scheduler")):  # else not to train
            try_out(self.settings["optimizer"], self.settings["lr_scheduler"], trial.parameters())
        if in_features is not None:
            self.network = trial
        self.save_hyperparameters(self.settings, logger=False)
        self.preprocessing = None
        self.class_names = [str(label) for label in range(num_classes)]
        self.training_mean = TrainingMean()
        self.add_metrics(num_classes)

    def _build(self, in_features: int) -> MLP:
        return MLP(in_features, **{name: self.settings[name] for name in SHAPE})

    def configure_model(self) -> None:
        """Build the network where the number of inputs had to be counted in the data."""
        if "network" in self._modules or self.trainer.state.fn != "fit":
            return
        found = getattr(getattr(self.trainer, "datamodule", None), "num_features", None)
        if found is None:
            self.trainer.fit_loop.setup_data()
            batches: Any = self.trainer.train_dataloader
            found = features_of_first_batch(batches, self.settings["num_classes"])
        self.settings["in_features"] = found
        self.network = self._build(found)
        self.save_hyperparameters(self.settings, logger=False)

    def setup(self, stage: str) -> None:
        """Take the data's preprocessing and class names, unless a checkpoint brought its own."""
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and data is not None:
            preprocessing = getattr(data, "preprocessing", None)
            self.preprocessing = preprocessing if isinstance(preprocessing, Preprocessing) else None
            self.class_names = list(getattr(data, "class_names", self.class_names))

    def forward(self, inputs: Any) -> Tensor:
        """Logits ``(N, classes)``.

        Args:
            inputs: uint8 images ``(N, channels, height, width)``, also with the channels last, a single one, or as a
                NumPy array; or float features ``(N, in_features)``.

        Raises:
            ValueError: For any other shape or type; says what is expected.
        """
        features = self._features(inputs)
        logits: Tensor = self.network(features)
        return logits

    def _features(self, inputs: Any) -> Tensor:
        if "network" not in self._modules:
            raise ValueError("in_features is not known: train first, load a checkpoint, or give it")
        first = self.network.first
        features = to_features(inputs, self.preprocessing, first.in_features)
        # Autocast would round the first layer's inputs to bfloat16: leave those that are so already.
        if torch.is_autocast_enabled(features.device.type) and features.dtype == torch.bfloat16:
            return features
        return features.to(first.weight.dtype)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch of features."""
        inputs, labels = inputs_and_labels(batch)
        loss, logits = self.training_loss(self._features(inputs), batch)
        self.training_mean.add(loss, logits, labels)
        return loss

    def steps_alone(self, trainer: Any) -> int:
        """Steps that may follow each other unseen: all but an epoch's last, unless a subclass has its own hooks."""
        names = ("training_step", "on_train_batch_end")
        return sys.maxsize if all(getattr(type(self), name) is getattr(Classifier, name) for name in names) else 0

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's means; an epoch that is resumed in its middle continues with those of its checkpoint."""
        self.training_mean.reset()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """At an epoch's last step, log its means."""
        if self.trainer.is_last_batch:
            self._log_training_mean()

    def on_train_epoch_end(self) -> None:
        """Log the means of an epoch that a limit cut short."""
        self._log_training_mean()

    def _log_training_mean(self) -> None:
        means = self.training_mean.read()
        if means is not None:
            for name, mean in zip(("loss", "accuracy"), means, strict=True):
                full = self.metric_name(f"train/{name}")
                self.log(full, mean, on_step=False, on_epoch=True, sync_dist=True, batch_size=1)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Probability of each class, ``(N, classes)``."""
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        with torch.autocast(self.device.type, enabled=False):
            return mean_probabilities(self, inputs, self.settings["test_time"])

    def configure_callbacks(self) -> list[Callback]:
        """The running average of the weights, if there is to be one."""
        return [AveragedWeights(self.settings["ema_decay"])] if self.settings["ema_decay"] else []

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule, from their recipes."""
        made = configured(self.settings, self.make_optimizer, self.trainer, self.metric_name)
        self.save_hyperparameters(self.settings, logger=False)
        return made

    def members(self) -> list["Classifier"]:
        """The networks that it consists of, each with its preprocessing: itself alone."""
        return [self]
