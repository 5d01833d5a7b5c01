"""What is trained: one network, one order of images, one optimizer, for every harness."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cifar_mlp.benchmarks.images import most_images, provide
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.loader import TrainingLoader, TrainingOrder

Precision = Literal["float32", "bfloat16"]
PROBE = 2_000  # images on which losses are compared
CLASSES = 10


class Weights(NamedTuple):
    """One layer: ``weight (out, in)`` and ``bias (out,)``, float32 on the CPU."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Problem:
    """All that a harness has to know.

    Attributes:
        card: The experiment card that this package trains by.
        scratch: Folder for runs and fitted PCAs.
        components: Principal components; ``None`` for the pixels.
        precision: Of the matrix products; parameters are float32 always.
        images: Training images in an epoch.
        real: Whether they are CIFAR-10's.
        device: ``cpu`` or ``cuda``.
        threads: What PyTorch and the BLAS may use.
    """

    card: Path
    scratch: Path
    components: int | None = 510
    precision: Precision = "float32"
    images: int = most_images()
    real: bool = True
    device: str = "cpu"
    threads: int = 1
    hidden_sizes: tuple[int, ...] = (550, 128, 100)
    batch_size: int = 200
    lr: float = 1e-3
    weight_decay: float = 1e-3
    seed: int = 0

    @property
    def half(self) -> bool:
        """Whether products are taken in bfloat16."""
        return self.precision == "bfloat16"

    @property
    def steps(self) -> int:
        """Optimizer steps in an epoch."""
        return -(-self.images // self.batch_size)

    @property
    def check_steps(self) -> int:
        """Steps after which harnesses are compared: few, so that roundings have not grown yet."""
        return max(1, min(10, self.steps - 1))

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each affine map."""
        return list(pairwise([self.data.num_features, *self.hidden_sizes, CLASSES]))

    @property
    def data(self) -> CIFAR10DataModule:
        """The package's own data module, anew, with nothing loaded yet."""
        return CIFAR10DataModule(
            source=provide(self.images, self.real).name,
            cache_dir=str(self.scratch / "cache"),
            batch_size=self.batch_size,
            n_components=self.components,
            seed=self.seed,
        )

    def load(self) -> tuple[Tensor, Tensor]:
        """Features ``(images, K)`` float32 and labels, on the device."""
        data = self.data
        data.prepare_data()
        data.setup("fit")
        loader = data.train_dataloader()
        assert isinstance(loader, TrainingLoader)
        split = loader.dataset
        return split.inputs.to(self.device), split.labels.to(self.device)  # type: ignore[attr-defined]

    def load_bytes(self) -> tuple[Tensor, Tensor]:
        """Images uint8 ``(images, 3, 32, 32)`` and labels, on the CPU."""
        source = self.data.source
        source.prepare(None, "train")
        images, labels = source.load(None, "train", self.seed)
        return images[: self.images], labels[: self.images]

    def order(self, epoch: int) -> Tensor:
        """The order of the images in an epoch, this package's own."""
        order = TrainingOrder(self.images, self.batch_size, "epoch", self.seed)
        order.begin_at(epoch, 0)
        return torch.cat(list(order))

    def network(self) -> nn.Sequential:
        """The network as everybody starts it."""
        torch.manual_seed(self.seed)
        modules: list[nn.Module] = []
        for inputs, outputs in self.layers:
            modules += [nn.Linear(inputs, outputs), nn.LeakyReLU()]
        return nn.Sequential(*modules[:-1])

    def starting_weights(self) -> list[Weights]:
        """The same, as plain tensors."""
        return weights_of(self.network())

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
        return inputs[:PROBE].cpu().clone(), labels[:PROBE].cpu().clone()

    def variant(self, components: int | None, precision: Precision) -> "Problem":
        """The same with other inputs or precision."""
        return replace(self, components=components, precision=precision)


def weights_of(network: nn.Module) -> list[Weights]:
    """The layers of a network of affine maps, from input to output, copied."""
    flat = [parameter.detach().float().cpu().clone() for parameter in network.parameters()]
    return [Weights(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
