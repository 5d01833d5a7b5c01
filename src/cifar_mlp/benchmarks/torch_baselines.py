"""The same training with PyTorch: the plain loop, and Lightning as it is commonly used."""

import os
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from cifar_mlp.benchmarks import plain_loop
from cifar_mlp.benchmarks.epochs import EpochTimer, TimeEpochs
from cifar_mlp.benchmarks.problem import Problem, weights_of
from cifar_mlp.cli.warning_filters import quiet


def plain(problem: Problem, timer: EpochTimer) -> None:
    """The loop of ``plain_loop.py``."""
    forget_lightning()
    inputs, labels = problem.load()
    network = problem.network().to(problem.device)
    optimizer = plain_loop.fused_adam(network, problem.lr, problem.weight_decay)

    def train(order: Tensor) -> None:
        plain_loop.train(network, optimizer, inputs, labels, order.to(problem.device), problem.batch_size, problem.half)

    timer.run_in_order(train, lambda: weights_of(network))


def compiled(problem: Problem, timer: EpochTimer) -> None:
    """The plain loop with its step compiled: loss and gradients as one program, the optimizer as another."""
    forget_lightning()
    inputs, labels = problem.load()
    network = problem.network().to(problem.device)
    optimizer = torch.optim.Adam(network.parameters(), problem.lr, weight_decay=problem.weight_decay)

    @torch.compile
    def loss_of(features: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(problem.device, torch.bfloat16, enabled=problem.half):
            return cross_entropy(network(features), labels)

    step = torch.compile(optimizer.step)

    def train(order: Tensor) -> None:
        for batch in order.to(problem.device).split(problem.batch_size):
            loss = loss_of(inputs.index_select(0, batch), labels.index_select(0, batch))
            optimizer.zero_grad()
            loss.backward()
            step()

    timer.run_in_order(train, lambda: weights_of(network))


def forget_lightning() -> None:
    """Undo what importing Lightning does to a process that trains without it: a slower GPU check in every step."""
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


def tensor_dataset(problem: Problem, timer: EpochTimer) -> None:
    """Lightning with a ``TensorDataset``, whose samples are collated one by one."""
    _fit(problem, timer, _sample_loader(problem, TensorDataset(*(tensor.cpu() for tensor in problem.load()))))


def whole_batches(problem: Problem, timer: EpochTimer) -> None:
    """Lightning with this package's loader, whose batches are one index operation each."""
    _fit(problem, timer, problem.loader())


def tutorial(problem: Problem, timer: EpochTimer, num_workers: int = 0) -> None:
    """Lightning with torchvision transforms on every image, as in tutorials."""
    _fit(problem, timer, _sample_loader(problem, TransformedImages(*problem.load_bytes()), num_workers))


class MinimalModule(LightningModule):
    """No logging, and PyTorch's default implementation of Adam."""

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
    """Byte images through Pillow and torchvision transforms, as in ``torchvision.datasets.CIFAR10``."""

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


class ImageOrder(Sampler[int]):
    """The problem's order of images, a new one in each epoch."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._epoch = problem, -1

    def __len__(self) -> int:
        return self._problem.images

    def __iter__(self) -> Iterator[int]:
        self._epoch += 1  # when the first item is taken: Lightning also makes iterators that it never uses
        yield from self._problem.order(self._epoch).tolist()


def _sample_loader(problem: Problem, dataset: Dataset[Any], num_workers: int = 0) -> DataLoader[Any]:
    return DataLoader(
        dataset, problem.batch_size, sampler=ImageOrder(problem), num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )  # fmt: skip


def _fit(problem: Problem, timer: EpochTimer, batches: Any) -> None:
    quiet()
    trainer = Trainer(
        max_epochs=timer.epochs,
        accelerator=problem.device,
        devices=1,
        precision="bf16-mixed" if problem.half else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[TimeEpochs(timer)],
    )
    trainer.fit(MinimalModule(problem), batches)
