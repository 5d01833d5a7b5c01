"""Validation inputs and a network's outputs for them, without side effects on the training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from cifar_mlp.callbacks.board import LeftOut, NotDrawn, preprocessing_of
from cifar_mlp.pictures.predictions import Predictions, predict

MOST = 5_000  # inputs; enough for every picture


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; puts back each part's own mode and the random state."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        with isolate_rng(), torch.no_grad():
            yield
    finally:
        for part in training:
            part.training = True


def validation_batch(trainer: Any, pl_module: Any, most: int = MOST) -> tuple[Tensor, Tensor]:
    """The first ``most`` validation inputs and targets, on the CPU.

    A module that carries a preprocessing gets the data module's byte images, ``val_images()``. Any other gets what
    the first validation loader yields, after the hooks that hand a batch to the module.

    Raises:
        NotDrawn: If there is no validation, or its batches do not begin with inputs and targets.
    """
    images = getattr(trainer.datamodule, "val_images", None)
    if images is not None and preprocessing_of(pl_module) is not None:
        inputs, targets = images()
        if len(inputs) == 0:
            raise LeftOut("there are no validation images")
        return inputs[:most], targets[:most]
    if trainer.val_dataloaders is None:
        raise NotDrawn("there is no validation loader")
    found: list[tuple[Tensor, Tensor]] = []
    with isolate_rng():  # a loader draws a seed for each pass
        for batch in CombinedLoader(trainer.val_dataloaders).flattened[0]:
            batch = trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch))
            if not isinstance(batch, tuple | list) or len(batch) < 2 or not all(map(torch.is_tensor, batch[:2])):
                raise NotDrawn(f"a validation batch is no (inputs, labels), but a {type(batch).__name__}")
            found.append((batch[0].cpu(), batch[1].cpu()))
            if sum(len(inputs) for inputs, _ in found) >= most:
                break
    if not found:
        raise NotDrawn("the validation loader is empty")
    return torch.cat([inputs for inputs, _ in found])[:most], torch.cat([targets for _, targets in found])[:most]


def labelled(trainer: Any, pl_module: Any, most: int = MOST) -> tuple[Tensor, Tensor]:
    """The first validation inputs and their classes, int64 ``(N,)``.

    Raises:
        NotDrawn: As :func:`validation_batch`, and if the targets are not classes.
    """
    inputs, targets = validation_batch(trainer, pl_module, most)
    if targets.ndim != 1 or targets.is_floating_point():
        raise NotDrawn(f"the targets are {targets.dtype} of shape {tuple(targets.shape)}, not classes (N,)")
    return inputs, targets.long()


def predictions(trainer: Any, pl_module: Any) -> Predictions:
    """The module's predictions for the first validation inputs now.

    Raises:
        NotDrawn: As :func:`labelled`.
    """
    inputs, labels = labelled(trainer, pl_module)
    with evaluating(pl_module):
        return predict(pl_module, inputs, labels, pl_module.device)


def require_images(inputs: Tensor) -> None:
    """Refuse inputs that cannot be shown as images.

    Raises:
        NotDrawn: Unless they are ``(N, 1 or 3, height, width)``.
    """
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
        shape = ", ".join(["N", *map(str, inputs.shape[1:])])
        raise NotDrawn(f"the validation inputs are ({shape}), not images (N, 1 or 3, height, width)")


def hidden_activations(module: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Output of every activation function, by layer, ``(N, units)`` each, on the CPU.

    Args:
        module: Any network whose activation functions are modules, such as ``nn.ReLU``.
        inputs: ``(N, ...)``, on the module's device.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda part, given, output: found.__setitem__(name, output.detach().float().flatten(1).cpu())

    handles = [
        part.register_forward_hook(keep(name.removeprefix("network.").removesuffix(".activation")))
        for name, part in module.named_modules()
        if type(part).__module__ == "torch.nn.modules.activation" and not isinstance(part, nn.MultiheadAttention)
    ]
    try:
        with evaluating(module):
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def dead_share(activations: Tensor) -> float:
    """Share of units, columns of ``(N, units)``, that are exactly zero for every input: they get no gradient."""
    return float((activations == 0).all(0).double().mean())
