"""Argument checks before any arithmetic; each error is one line that names the argument and what it must be.

Shapes, dtypes and devices are checked at every call, which never waits for a GPU. Values are read only by
:func:`check_labels`, once where data enter, and by :func:`check_batch`, on the CPU.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cifar_mlp.parity.network import Network

# Shape legend: N = examples, D = input features, H = hidden units, C = classes; I, O = features into and out of a layer


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raise ``ValueError`` unless every label is in [0, C). Reads the values, so it waits for a GPU."""
    if (wrong := _outside(labels, num_classes)) is not None:
        raise ValueError(f"labels must be in [0, {num_classes}), one class per score, not {wrong}")


def check_scores_input(parameters: Sequence[Tensor], inputs: Tensor) -> None:
    """Raise ``ValueError`` unless a two-layer network's ``w1, b1, w2, b2`` and the inputs fit together."""
    w1, b1, w2, b2 = parameters
    _check_matrix("parameters.w1", w1, "(D, H)")
    _check_matrix("parameters.w2", w2, "(H, C)")
    (num_features, num_hidden), num_classes = w1.shape, w2.shape[1]
    _check_shape("parameters.b1", b1, (num_hidden,), "(H,), H as in parameters.w1")
    _check_shape("parameters.w2", w2, (num_hidden, num_classes), "(H, C), H as in parameters.w1")
    _check_shape("parameters.b2", b2, (num_classes,), "(C,), C as in parameters.w2")
    _check_inputs(inputs, num_features)
    _check_alike(inputs, {"parameters.w1": w1, "parameters.b1": b1, "parameters.w2": w2, "parameters.b2": b2})


def check_problem(parameters: Sequence[Tensor], inputs: Tensor, labels: Tensor) -> None:
    """Raise ``ValueError`` unless all three fit together; the labels' values are not read."""
    check_scores_input(parameters, inputs)
    _check_labels_fit(labels, inputs)


def check_network(network: Network, inputs: Tensor, labels: Tensor, training: bool, kept: Sequence[Tensor]) -> None:
    """Raise ``ValueError`` unless a network of any depth, inputs, labels and dropout masks fit together."""
    affines = dict(zip(network.affine_names, network.affines, strict=True))
    for name, affine in affines.items():
        _check_matrix(f"{name}.weight", affine.weight, "(O, I)")
    _check_inputs(inputs, next(iter(affines.values())).weight.shape[1])
    width = inputs.shape[1]
    for name, affine in affines.items():
        _check_shape(f"{name}.weight", affine.weight, (len(affine.weight), width), "(O, I), I from the layer below")
        width = len(affine.weight)
        _check_shape(f"{name}.bias", affine.bias, (width,), "(O,), O as in its weight")
    for index, layer in enumerate(network.hidden):
        if layer.exit is not None:
            shape = (layer.affine.weight.shape[1], len(layer.affine.bias))
            _check_shape(f"hidden.{index}.exit.weight", layer.exit.weight, shape, "(I, O), back to the block's input")
    if isinstance(labels, Tensor) and labels.is_floating_point():
        _check_shape("labels", labels, (len(inputs), width), "(N, C), targets")
        _check_alike(inputs, {"labels": labels})
    else:
        _check_labels_fit(labels, inputs)
    _check_alike(inputs, dict(network.named_tensors()))
    for index, layer in enumerate(network.hidden):
        for name, tensor in (layer.normalization._asdict() if layer.normalization else {}).items():
            if tensor is not None:
                _check_shape(f"hidden.{index}.normalization.{name}", tensor, layer.affine.bias.shape, "(O,)")
                _check_alike(inputs, {f"hidden.{index}.normalization.{name}": tensor})
    is_batch = any(layer.normalization and layer.normalization.running_mean is not None for layer in network.hidden)
    if is_batch and training and len(inputs) == 1:
        raise ValueError("inputs must hold more than one example to train with batch normalization")
    _check_kept(network, inputs, training, kept)


def check_regularization(regularization: float) -> None:
    """Raise ``ValueError`` unless lambda is finite and not negative."""
    if not isinstance(regularization, int | float) or not 0.0 <= regularization < math.inf:
        raise ValueError(f"regularization must be finite and at least 0, not {regularization}")


def check_schedule(learning_rate: float, decay: float, decay_every: int) -> None:
    """Raise ``ValueError`` unless rate and decay are finite and positive, and ``decay_every`` at least 1."""
    for name, value in (("learning_rate", learning_rate), ("decay", decay)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name} must be finite and positive, not {value}")
    if decay_every < 1:
        raise ValueError(f"decay_every must be at least 1 step, not {decay_every}")


def check_batch(rows: Tensor, step: int, num_examples: int) -> None:
    """Raise ``ValueError`` unless a batch is a non-empty vector of indices; on the CPU, also in [0, N)."""
    if rows.dim() != 1 or rows.numel() == 0:
        raise ValueError(f"batches must each hold at least one index, (B,), not {tuple(rows.shape)} at step {step}")
    if rows.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"batches must hold integer indices, not {rows.dtype} at step {step}")
    if rows.device.type == "cpu" and (wrong := _outside(rows, num_examples)) is not None:
        raise ValueError(f"batches must hold indices in [0, {num_examples}), not {wrong} at step {step}")


def check_same_shapes(parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Raise ``ValueError`` unless every gradient has its parameter's shape, dtype and device."""
    if len(parameters) != len(gradients):
        raise ValueError(f"gradients must be {len(parameters)}, one per parameter, not {len(gradients)}")
    for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
        _check_shape(f"gradients[{index}]", gradient, tuple(parameter.shape), "as its parameter")
        _check_alike(parameter, {f"gradients[{index}]": gradient}, "its parameter")


def _check_inputs(inputs: Tensor, num_features: int) -> None:
    if not inputs.is_floating_point():
        raise ValueError(f"inputs must be of a float dtype, not {inputs.dtype}")
    _check_matrix("inputs", inputs, "(N, D)")
    _check_shape("inputs", inputs, (inputs.shape[0], num_features), "(N, D), D as in the first weight")
    if inputs.shape[0] == 0:
        raise ValueError("inputs must hold at least one example, not an empty batch")


def _check_labels_fit(labels: Tensor, inputs: Tensor) -> None:
    _check_tensor("labels", labels)
    if labels.dtype != torch.int64:
        raise ValueError(f"labels must be of dtype torch.int64, not {labels.dtype}")
    _check_shape("labels", labels, (inputs.shape[0],), "(N,), N as in inputs")
    _check_device("labels", labels, inputs)


def _check_kept(network: Network, inputs: Tensor, training: bool, kept: Sequence[Tensor]) -> None:
    wanted = len(network.hidden) if training and network.dropout > 0 else 0
    if len(kept) != wanted:
        raise ValueError(f"kept must hold {wanted} masks, one per hidden layer that drops units, not {len(kept)}")
    for index, (layer, kept_NO) in enumerate(zip(network.hidden, kept, strict=False)):
        if kept_NO.dtype != torch.bool:
            raise ValueError(f"kept[{index}] must be of dtype torch.bool, not {kept_NO.dtype}")
        _check_shape(f"kept[{index}]", kept_NO, (len(inputs), len(layer.affine.bias)), "(N, O)")
        _check_device(f"kept[{index}]", kept_NO, inputs)


def _check_matrix(name: str, tensor: Tensor, form: str) -> None:
    _check_tensor(name, tensor)
    if tensor.dim() != 2:
        raise ValueError(f"{name} must have the 2 dimensions {form}, not shape {tuple(tensor.shape)}")


def _check_shape(name: str, tensor: Tensor, shape: tuple[int, ...], form: str) -> None:
    _check_tensor(name, tensor)
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {tuple(shape)}, {form}, not {tuple(tensor.shape)}")


def _check_alike(reference: Tensor, tensors: Mapping[str, Tensor], whose: str = "inputs") -> None:
    for name, tensor in tensors.items():
        if tensor.dtype != reference.dtype:
            raise ValueError(f"{name} must be of the dtype of {whose}, {reference.dtype}, not {tensor.dtype}")
        _check_device(name, tensor, reference, whose)


def _check_device(name: str, tensor: Tensor, reference: Tensor, whose: str = "inputs") -> None:
    if tensor.device != reference.device:
        raise ValueError(f"{name} must be on the device of {whose}, {reference.device}, not {tensor.device}")


def _check_tensor(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{name} must be a torch.Tensor, not {type(tensor).__name__}")


def _outside(integers: Tensor, bound: int) -> int | None:
    """An integer outside [0, bound), if there is one."""
    lowest, highest = (int(extreme) for extreme in torch.aminmax(integers))
    return lowest if lowest < 0 else highest if highest >= bound else None
