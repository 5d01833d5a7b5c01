"""What is trained: one network, one order of images and one optimizer for every implementation."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cifar_mlp.benchmarks.images import MOST_IMAGES, register_source
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.loader import TrainingLoader, TrainingOrder

Precision = Literal["float32", "bfloat16"]
PROBE_IMAGES = 2_000  # on which losses are compared
CLASSES = 10


class Weights(NamedTuple):
    """One layer: ``weight (out, in)`` and ``bias (out,)``, float32 on the CPU."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Problem:
    """Everything that an implementation needs to know."""

    config: Path  # of this package's fit
    scratch: Path  # folder for runs and fitted PCAs
    components: int | None = 510  # None: pixels
    precision: Precision = "float32"  # of the matmuls; parameters are always float32
    images: int = MOST_IMAGES  # in an epoch
    real: bool = True  # CIFAR-10 or synthetic images
    device: str = "cpu"  # or cuda
    threads: int = 1  # for PyTorch and the BLAS
    hidden_sizes: tuple[int, ...] = (550, 128, 100)
    batch_size: int = 200
    lr: float = 1e-3
    weight_decay: float = 1e-3
    seed: int = 0

    @property
    def inputs(self) -> str:
        """``pca`` or ``pixels``."""
        return "pixels" if self.components is None else "pca"

    @property
    def half(self) -> bool:
        """Whether matmuls run in bfloat16."""
        return self.precision == "bfloat16"

    @property
    def steps(self) -> int:
        """Optimizer steps in an epoch."""
        return -(-self.images // self.batch_size)

    @property
    def check_steps(self) -> int:
        """Steps before implementations are compared: few, so that rounding errors have not grown yet."""
        return max(1, min(10, self.steps - 1))

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each affine map."""
        return list(pairwise([self.data.num_features, *self.hidden_sizes, CLASSES]))

    @property
    def data(self) -> CIFAR10DataModule:
        """A new data module of this package, with nothing loaded yet."""
        return CIFAR10DataModule(
            source=register_source(self.images, self.real).name,
            cache_dir=str(self.scratch / "cache"),
            batch_size=self.batch_size,
            n_components=self.components,
            seed=self.seed,
        )

    def describe(self) -> dict[str, Any]:
        """The problem in plain JSON types."""
        names = "images steps components hidden_sizes batch_size lr weight_decay check_steps device threads"
        data = "CIFAR-10" if self.real else "synthetic images"
        return {"data": data, **{name: getattr(self, name) for name in names.split()}}

    def loader(self) -> TrainingLoader:
        """This package's own, with the training split held in memory."""
        data = self.data
        data.prepare_data()
        data.setup("fit")
        loader = data.train_dataloader()
        assert isinstance(loader, TrainingLoader)
        return loader

    def load(self) -> tuple[Tensor, Tensor]:
        """Features float32 ``(images, K)`` and labels int64 ``(images,)``, on the device."""
        split: Any = self.loader().dataset
        return split.inputs.to(self.device), split.labels.to(self.device)

    def load_bytes(self) -> tuple[Tensor, Tensor]:
        """Images uint8 ``(images, 3, 32, 32)`` and labels int64 ``(images,)``, on the CPU."""
        source = self.data.source
        source.prepare(None, "train")
        images, labels = source.load(None, "train", self.seed)
        return images[: self.images], labels[: self.images]

    def order(self, epoch: int) -> Tensor:
        """The order of the images in an epoch, int64 ``(images,)``: this package's own."""
        order = TrainingOrder(self.images, self.batch_size, "epoch", self.seed)
        order.begin_at(epoch, 0)
        return torch.cat(list(order))

    def network(self) -> nn.Sequential:
        """The network, with the weights from which every implementation starts."""
        torch.manual_seed(self.seed)
        modules: list[nn.Module] = []
        for inputs, outputs in self.layers:
            modules += [nn.Linear(inputs, outputs), nn.LeakyReLU()]
        return nn.Sequential(*modules[:-1])

    def probe_loss(self, weights: list[Weights], slope: float = 0.01) -> float:
        """Mean cross-entropy of a network on the first training images, in float32.

        Args:
            weights: Its layers.
            slope: Of its LeakyReLU; 0 for ReLU.
        """
        inputs, labels = self._probe
        for weight, bias in weights[:-1]:
            inputs = functional.leaky_relu(functional.linear(inputs, weight, bias), slope)
        return float(functional.cross_entropy(functional.linear(inputs, *weights[-1]), labels))

    @cached_property
    def _probe(self) -> tuple[Tensor, Tensor]:
        inputs, labels = self.load()
        return inputs[:PROBE_IMAGES].cpu().clone(), labels[:PROBE_IMAGES].cpu().clone()


def weights_of(network: nn.Module) -> list[Weights]:
    """Copies of the layers of a network of affine maps, from input to output."""
    flat = [parameter.detach().float().cpu().clone() for parameter in network.parameters()]
    return [Weights(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
