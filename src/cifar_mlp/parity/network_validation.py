"""Arguments of the network of any depth, checked before any arithmetic."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cifar_mlp.parity.network import Network
from cifar_mlp.parity.validation import (
    check_alike,
    check_inputs,
    check_label_tensor,
    check_matrix,
    check_shape,
)

# Shape legend: N = examples, I = input features of a layer, O = its output features


def check_network(network: Network, inputs: Tensor, labels: Tensor, training: bool, kept: Sequence[Tensor]) -> None:
    """Raise ``ValueError`` unless network, inputs, labels and dropout masks fit together."""
    affines = {f"hidden.{index}.affine": layer.affine for index, layer in enumerate(network.hidden)}
    affines["output"] = network.output
    for name, affine in affines.items():
        check_matrix(f"{name}.weight", affine.weight, "(O, I)")
    check_inputs(inputs, next(iter(affines.values())).weight.shape[1])
    check_label_tensor(labels, inputs)
    width = inputs.shape[1]
    for name, affine in affines.items():
        check_shape(f"{name}.weight", affine.weight, (len(affine.weight), width), "(O, I), I from the layer below")
        width = len(affine.weight)
        check_shape(f"{name}.bias", affine.bias, (width,), "(O,), O as in its weight")
    check_alike(inputs, dict(network.named_tensors()))
    for index, layer in enumerate(network.hidden):
        for name, tensor in (layer.normalization._asdict() if layer.normalization else {}).items():
            if tensor is not None:
                check_shape(f"hidden.{index}.normalization.{name}", tensor, layer.affine.bias.shape, "(O,)")
                check_alike(inputs, {f"hidden.{index}.normalization.{name}": tensor})
    is_batch = any(layer.normalization and layer.normalization.running_mean is not None for layer in network.hidden)
    if is_batch and training and len(inputs) == 1:
        raise ValueError("inputs must hold more than one example to train with batch normalization")
    _check_kept(network, inputs, training, kept)


def _check_kept(network: Network, inputs: Tensor, training: bool, kept: Sequence[Tensor]) -> None:
    wanted = len(network.hidden) if training and network.dropout > 0 else 0
    if len(kept) != wanted:
        raise ValueError(f"kept must hold {wanted} masks, one per hidden layer that drops units, not {len(kept)}")
    for index, (layer, kept_NO) in enumerate(zip(network.hidden, kept, strict=False)):
        if kept_NO.dtype != torch.bool:
            raise ValueError(f"kept[{index}] must be of dtype torch.bool, not {kept_NO.dtype}")
        check_shape(f"kept[{index}]", kept_NO, (len(inputs), len(layer.affine.bias)), "(N, O)")
        if kept_NO.device != inputs.device:
            raise ValueError(f"kept[{index}] must be on the device of inputs, {inputs.device}, not {kept_NO.device}")
