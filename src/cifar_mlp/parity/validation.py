"""Arguments checked before any arithmetic: a mistake becomes one line that names the argument and the remedy.

Shapes, dtypes and devices are known without asking the device, so these checks are always made.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

# Shape legend: N = examples, D = input features, H = hidden units, C = classes


class TwoLayerTensors(Protocol):
    """Anything with the four tensors of a two-layer network."""

    @property
    def w1(self) -> Tensor: ...
    @property
    def b1(self) -> Tensor: ...
    @property
    def w2(self) -> Tensor: ...
    @property
    def b2(self) -> Tensor: ...


def check_scores_input(parameters: TwoLayerTensors, inputs: Tensor) -> None:
    """Raise ``ValueError`` unless parameters and inputs fit together."""
    w1, b1, w2, b2 = parameters.w1, parameters.b1, parameters.w2, parameters.b2
    check_matrix("parameters.w1", w1, "(D, H)")
    check_matrix("parameters.w2", w2, "(H, C)")
    (num_features, num_hidden), num_classes = w1.shape, w2.shape[1]
    check_shape("parameters.b1", b1, (num_hidden,), "(H,), H as in parameters.w1")
    check_shape("parameters.w2", w2, (num_hidden, num_classes), "(H, C), H as in parameters.w1")
    check_shape("parameters.b2", b2, (num_classes,), "(C,), C as in parameters.w2")
    check_inputs(inputs, num_features)
    check_alike(inputs, {"parameters.w1": w1, "parameters.b1": b1, "parameters.w2": w2, "parameters.b2": b2})


def check_problem(parameters: TwoLayerTensors, inputs: Tensor, labels: Tensor) -> None:
    """Raise ``ValueError`` unless all three fit together; the labels' values are not read."""
    check_scores_input(parameters, inputs)
    check_label_tensor(labels, inputs)


def check_inputs(inputs: Tensor, num_features: int) -> None:
    """Raise ``ValueError`` unless inputs are float ``(N, D)`` with at least one example."""
    if not inputs.is_floating_point():
        raise ValueError(f"inputs must be of a float dtype, not {inputs.dtype}")
    check_matrix("inputs", inputs, "(N, D)")
    check_shape("inputs", inputs, (inputs.shape[0], num_features), "(N, D), D as in the first weight")
    if inputs.shape[0] == 0:
        raise ValueError("inputs must hold at least one example, not an empty batch")


def check_label_tensor(labels: Tensor, inputs: Tensor) -> None:
    """Raise ``ValueError`` unless labels are int64, one per example, on the inputs' device."""
    check_tensor("labels", labels)
    if labels.dtype != torch.int64:
        raise ValueError(f"labels must be of dtype torch.int64, not {labels.dtype}")
    check_shape("labels", labels, (inputs.shape[0],), "(N,), N as in inputs")
    if labels.device != inputs.device:
        raise ValueError(f"labels must be on the device of inputs, {inputs.device}, not {labels.device}")


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raise ``ValueError`` unless every label lies in [0, C). Reads them, so it waits for a GPU's queue."""
    lowest, highest = (label.item() for label in torch.aminmax(labels))
    if lowest < 0 or highest >= num_classes:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"labels must lie in [0, {num_classes}), one class per score, not {wrong}")


def check_regularization(regularization: float) -> None:
    """Raise ``ValueError`` unless lambda is finite and not negative."""
    if not isinstance(regularization, int | float) or not 0.0 <= regularization < math.inf:
        raise ValueError(f"regularization must be finite and at least 0, not {regularization}")


def check_schedule(learning_rate: float, decay: float, decay_every: int) -> None:
    """Raise ``ValueError`` unless rate and decay are finite and positive, and ``decay_every`` at least 1."""
    if not 0.0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be finite and positive, not {learning_rate}")
    if not 0.0 < decay < math.inf:
        raise ValueError(f"decay must be finite and positive, not {decay}")
    if decay_every < 1:
        raise ValueError(f"decay_every must be at least 1 step, not {decay_every}")


def check_batch(rows: Tensor, step: int, num_examples: int) -> None:
    """Raise ``ValueError`` unless a batch is a non-empty vector of indices in [0, N)."""
    if rows.dim() != 1 or rows.numel() == 0:
        raise ValueError(f"batches must each hold at least one index, (B,), not {tuple(rows.shape)} at step {step}")
    if rows.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"batches must hold integer indices, not {rows.dtype} at step {step}")
    lowest, highest = (row.item() for row in torch.aminmax(rows))
    if lowest < 0 or highest >= num_examples:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"batches must hold indices in [0, {num_examples}), not {wrong} at step {step}")


def check_same_shapes(parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Raise ``ValueError`` unless every gradient has its parameter's shape, dtype and device."""
    if len(parameters) != len(gradients):
        raise ValueError(f"gradients must be {len(parameters)}, one per parameter, not {len(gradients)}")
    for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
        check_shape(f"gradients[{index}]", gradient, tuple(parameter.shape), "as its parameter")
        check_alike(parameter, {f"gradients[{index}]": gradient}, "its parameter")


def check_tensor(name: str, tensor: Tensor) -> None:
    """Raise ``ValueError`` unless it is a tensor."""
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{name} must be a torch.Tensor, not {type(tensor).__name__}")


def check_matrix(name: str, tensor: Tensor, form: str) -> None:
    """Raise ``ValueError`` unless it is a tensor of two dimensions."""
    check_tensor(name, tensor)
    if tensor.dim() != 2:
        raise ValueError(f"{name} must have the 2 dimensions {form}, not shape {tuple(tensor.shape)}")


def check_shape(name: str, tensor: Tensor, shape: tuple[int, ...], form: str) -> None:
    """Raise ``ValueError`` unless it is a tensor of that shape."""
    check_tensor(name, tensor)
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {tuple(shape)}, {form}, not {tuple(tensor.shape)}")


def check_alike(reference: Tensor, tensors: Mapping[str, Tensor], reference_name: str = "inputs") -> None:
    """Raise ``ValueError`` unless all tensors have the reference's dtype and device."""
    for name, tensor in tensors.items():
        if tensor.dtype != reference.dtype:
            raise ValueError(f"{name} must be of the dtype of {reference_name}, {reference.dtype}, not {tensor.dtype}")
        if tensor.device != reference.device:
            raise ValueError(
                f"{name} must be on the device of {reference_name}, {reference.device}, not {tensor.device}"
            )
