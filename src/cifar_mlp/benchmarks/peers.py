"""Other ways to train the same network with PyTorch: the plain loop, and Lightning as it is commonly used."""

import functools
import os
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from cifar_mlp.benchmarks import plain_loop
from cifar_mlp.benchmarks.laps import Laps
from cifar_mlp.benchmarks.lightning_laps import LapsOfTrainer
from cifar_mlp.benchmarks.problem import Problem, weights_of
from cifar_mlp.cli.warning_filters import quiet


def plain(problem: Problem, laps: Laps) -> None:
    """The loop of ``plain_loop.py``."""
    forget_lightning()
    inputs, labels = problem.load()
    network = problem.network().to(problem.device)
    optimizer = plain_loop.fused_adam(network, problem.lr, problem.weight_decay)
    train = functools.partial(plain_loop.train, network, optimizer, inputs, labels)
    for epoch in range(laps.count):
        laps.start()
        order = problem.order(epoch).to(problem.device)
        seen = problem.check_steps * problem.batch_size if epoch == 0 else 0
        if seen:
            train(order[:seen], problem.batch_size, problem.half)
            laps.see("steps", weights_of(network))
        train(order[seen:], problem.batch_size, problem.half)
        laps.end()
        if epoch == 0:
            laps.see("epoch", weights_of(network))


def forget_lightning() -> None:
    """Undo what importing Lightning does to a process that trains without it: a slower search for a GPU, each step."""
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


def tensor_dataset(problem: Problem, laps: Laps) -> None:
    """Lightning with a ``TensorDataset``, whose samples are collated one by one."""
    _fit(problem, laps, _one_by_one(problem, TensorDataset(*(tensor.cpu() for tensor in problem.load()))))


def whole_batches(problem: Problem, laps: Laps) -> None:
    """Lightning at its simplest, given batches that are cut by one index operation."""
    _fit(problem, laps, WholeBatches(problem))


def tutorial(problem: Problem, laps: Laps, num_workers: int = 0) -> None:
    """Lightning with torchvision's transforms on every image, as tutorials do it."""
    _fit(problem, laps, _one_by_one(problem, TransformedImages(*problem.load_bytes()), num_workers))


class SimpleModule(LightningModule):
    """The least that Lightning needs: nothing logged, PyTorch's own choice of Adam's implementation."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.network = problem.network()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch of images or features."""
        inputs, labels = batch
        return cross_entropy(self.network(inputs.flatten(1)), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.network.parameters(), self.problem.lr, weight_decay=self.problem.weight_decay)


class TransformedImages(Dataset[tuple[Tensor, int]]):
    """Byte images through Pillow and torchvision's transforms, as ``torchvision.datasets.CIFAR10`` serves them."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        from torchvision.transforms import Compose, Normalize, ToTensor

        self._images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels = labels.tolist()
        self._transform = Compose([ToTensor(), Normalize((0.5,) * 3, (0.5,) * 3)])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


class SameOrder(Sampler[int]):
    """Every epoch's order, one index after the other."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._epoch = problem, -1

    def __len__(self) -> int:
        return self._problem.images

    def __iter__(self) -> Iterator[int]:
        self._epoch += 1
        return iter(self._problem.order(self._epoch).tolist())


class WholeBatches:
    """Every epoch's batches, each cut at once."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._epoch = problem, -1
        self._tensors = [tensor.cpu() for tensor in problem.load()]

    def __len__(self) -> int:
        return self._problem.steps

    def __iter__(self) -> Iterator[list[Tensor]]:
        self._epoch += 1
        for places in self._problem.order(self._epoch).split(self._problem.batch_size):
            yield [tensor.index_select(0, places) for tensor in self._tensors]


def _one_by_one(problem: Problem, dataset: Dataset[Any], num_workers: int = 0) -> DataLoader[Any]:
    return DataLoader(
        dataset, problem.batch_size, sampler=SameOrder(problem), num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )  # fmt: skip


def _fit(problem: Problem, laps: Laps, batches: Any) -> None:
    quiet()
    trainer = Trainer(
        max_epochs=laps.count,
        accelerator=problem.device,
        devices=1,
        precision="bf16-mixed" if problem.half else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[LapsOfTrainer(problem, laps)],
    )
    module: nn.Module = SimpleModule(problem)
    trainer.fit(module, batches)  # type: ignore[arg-type]
