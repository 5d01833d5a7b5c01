"""Batches as one index operation, in an order that can be recomputed from the seed."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from cifar_mlp.common.seeds import derived_seed

Sampling = Literal["epoch", "replacement"]
_DECIDE = ("num_images", "batch_size", "sampling", "seed", "world_size")


class _Pair(NamedTuple):
    inputs: Tensor
    labels: Tensor


class Batch(_Pair):
    """What a step gets: a pair, so ``x, y = batch`` works in anybody's module, that also knows its images' indices.

    Attributes:
        inputs: Byte images ``(B, channels, height, width)`` or features ``(B, K)``.
        labels: int64 ``(B,)``.
        indices: Position of each image in its split, int64 ``(B,)``; ``None`` where a library rebuilt the pair.
    """

    indices: Tensor | None

    def __new__(cls, inputs: Tensor, labels: Tensor, indices: Tensor | None = None) -> "Batch":
        """A pair with its indices."""
        batch = super().__new__(cls, inputs, labels)
        batch.indices = indices
        return batch

    def to(self, device: torch.device) -> "Batch":
        """The same batch on ``device``."""
        indices = None if self.indices is None else self.indices.to(device, non_blocking=True)
        inputs, labels = (tensor.to(device, non_blocking=True) for tensor in self)
        return Batch(inputs, labels, indices)


class TensorSplit(Dataset[Batch]):
    """A split held as tensors; one index operation fetches a whole batch.

    Args:
        inputs: Images or features, ``(N, ...)``.
        labels: int64 ``(N,)``.
        files: Path of each image where it has one.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, files: Sequence[Path] = ()) -> None:
        self.inputs, self.labels, self.files = inputs, labels, files

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        return Batch(self.inputs[index], self.labels[index], torch.tensor(index))

    def __getitems__(self, indices: Tensor) -> Batch:
        rows = indices.to(self.inputs.device, non_blocking=True)
        return Batch(self.inputs.index_select(0, rows), self.labels.index_select(0, rows), rows)

    def batches(self, indices: Iterable[Tensor], order: "TrainingOrder") -> Iterator[Any]:
        """The batches of an order's rest of an epoch."""
        return map(self.__getitems__, indices)


class TrainingOrder(Sampler[Tensor]):
    """Index batches for one rank: a new permutation each epoch, or draws with replacement.

    The order is a function of the seed and the position alone, so the position is the only state.

    Args:
        num_images: Images in the training split.
        batch_size: Images per batch on each rank.
        sampling: ``epoch`` visits every image once per epoch, order = f(seed, epoch); with several ranks the order is
            padded from its beginning, so that all ranks take the same number of steps. ``replacement`` draws every
            batch from all images, draws = f(seed, step), and calls ``num_images // batch_size`` steps an epoch.
        seed: The run's seed.
        rank: This process.
        world_size: Number of processes that train together.
    """

    def __init__(
        self, num_images: int, batch_size: int, sampling: Sampling, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.num_images, self.batch_size, self.sampling, self.seed = num_images, batch_size, sampling, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = self.first_batch = 0

    def begin_at(self, epoch: int, batch: int) -> None:
        """Set where the next iteration starts: the epoch, and how many of its batches to skip."""
        self.epoch, self.first_batch = epoch, batch

    def __len__(self) -> int:
        if self.sampling == "replacement":
            return max(1, self.num_images // (self.batch_size * self.world_size))
        images_per_rank = -(-self.num_images // self.world_size)
        return -(-images_per_rank // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        if self.sampling == "replacement":
            for batch in range(self.first_batch, len(self)):
                yield self._draw(self.epoch * len(self) + batch)
        else:
            yield from self._permutation().split(self.batch_size)[self.first_batch :]

    def _permutation(self) -> Tensor:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "order", self.epoch))
        order = torch.randperm(self.num_images, generator=generator)
        short = -len(order) % self.world_size
        return torch.cat([order, order[:short]])[self.rank :: self.world_size]

    def _draw(self, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "draws", step))
        draws = torch.randint(self.num_images, (self.batch_size * self.world_size,), generator=generator)
        return draws[self.rank :: self.world_size]


class SequentialOrder(Sampler[Tensor]):
    """Index batches in the split's own order, each image once, strided over the ranks without padding."""

    def __init__(self, num_images: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.batches = torch.arange(rank, num_images, world_size).split(batch_size)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.batches)


def evaluation_loader(split: Dataset[Batch], order: SequentialOrder) -> DataLoader[Batch]:
    """A ``DataLoader`` of whole index batches, in the split's order."""
    # Its own generator, here and below: a loader must not draw its seed from the global stream.
    batches: Any = order  # typed as lists of indices, served as one tensor of them
    return DataLoader(split, batch_sampler=batches, collate_fn=_as_it_is, generator=torch.Generator())


class TrainingLoader(DataLoader[Batch]):
    """The same for training, resumable at any step.

    Under a trainer every iteration starts where the trainer's own progress says, at so many batches of so many epochs:
    a run that is killed and resumed continues with the batch that an uninterrupted run would have seen next. A
    checkpoint from within an epoch remembers what decides the order of its batches; one from an epoch's end continues
    with any batch size and any number of processes. Without a trainer every pass over the loader is the next epoch, in
    a new order.

    Args:
        split: Features and labels.
        order: Index batches.
        trainer: Trainer whose progress is followed; ``None`` outside a trainer.
    """

    def __init__(self, split: Dataset[Batch], order: TrainingOrder, trainer: Trainer | None = None) -> None:
        batches: Any = order
        super().__init__(split, batch_sampler=batches, collate_fn=_as_it_is, generator=torch.Generator())
        self.order, self.trainer = order, trainer
        self._passes = 0

    def __iter__(self) -> Any:
        if self.trainer is None:
            self.order.begin_at(self._passes, 0)
            self._passes += 1
        else:
            trainer: Any = self.trainer
            epoch, batch = position(trainer.fit_loop)
            self.order.begin_at(0 if trainer.overfit_batches > 0 else epoch, batch)  # there: the same batches each time
        split: Any = self.dataset
        # All of an epoch's indices go to the device at once: no step then waits for a copy.
        batches = list(self.order)
        if not batches:  # nothing is left of an epoch whose checkpoint was saved while it was validated
            return iter(())
        indices = torch.cat(batches).to(split.inputs.device)
        return split.batches(indices.split(self.order.batch_size), self.order)

    def state_dict(self) -> dict[str, Any]:
        """What decides the order of an epoch's batches."""
        overfitted = getattr(self.trainer, "overfit_batches", 0.0)
        return {**{name: getattr(self.order, name) for name in _DECIDE}, "overfit_batches": overfitted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See that an epoch which has begun can continue; the position itself comes from the trainer.

        Raises:
            ValueError: If the rest of the epoch would not be the rest of the same batches.
        """
        trainer: Any = self.trainer
        if trainer is None or position(trainer.fit_loop)[1] == 0:
            return
        now = self.state_dict()
        for name, value in state.items():
            if now.get(name) != value:
                raise ValueError(
                    f"the checkpoint was taken within an epoch whose batches are cut with {name} {value}, not "
                    f"{now.get(name)}: keep that, or continue from a checkpoint of an epoch's end"
                )


def position(fit_loop: Any) -> tuple[int, int]:
    """Whole epochs, and batches of the next one, that a training has behind it by Lightning's own progress.

    Args:
        fit_loop: The trainer's, running or restored.
    """
    epochs, batches = fit_loop.epoch_progress.current, fit_loop.epoch_loop.batch_progress
    if not getattr(fit_loop, "is_resuming", False):
        if epochs.started == epochs.processed:  # between two epochs, where Lightning reloads the loaders
            return epochs.started, 0
        return max(epochs.started - 1, 0), batches.current.ready
    if (
        epochs.started > epochs.processed
        and batches.is_last_batch
        and batches.current.completed < batches.current.ready
    ):
        return epochs.started, 0  # saved while its last batch ended: Lightning takes such an epoch for whole
    return restored_position(epochs, batches)


def restored_position(epochs: Any, batches: Any) -> tuple[int, int]:
    """The same from the counts in a checkpoint, wherever it was taken.

    The trainer's ``current_epoch`` would be one less where it was taken while an epoch ended, and one more where a
    limit of steps had cut the epoch short.

    Args:
        epochs: Lightning's counts of epochs, of this training.
        batches: Its progress in batches.
    """
    if epochs.started > epochs.processed:
        return epochs.processed, batches.current.processed
    cut_short = epochs.processed > 0 and batches.current.processed > 0 and not batches.is_last_batch
    return (epochs.processed - 1, batches.current.processed) if cut_short else (epochs.processed, 0)


def _as_it_is(batch: Any) -> Any:
    return batch
