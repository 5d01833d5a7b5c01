"""Gradients in intermediate tensors, where a function returns them beside those of its parameters."""

import re

from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.check.tape import Tape


def right_ones(tape: Tape, reduction: str) -> list[tuple[str, str, Tensor]]:
    """Kind (z or a), name and value from the scores down."""
    dz = layers.softmax_cross_entropy_backward(tape.p.clone(), tape.drawn.labels)
    dz = dz * len(dz) if reduction == "sum" else dz
    found = []
    for index in reversed(range(len(tape.z))):
        _, dz = tape.layer_backward(index, dz)
        found.append(("z", f"dz{index + 1}", dz))
        if index:
            da = layers.affine_backward_input(dz, tape.drawn.parameters[index]["weight"])
            found.append(("a", f"da{index}", da))
            dz = tape.into(index - 1, da)
    return found


def first_wrong(extra: dict[str, Tensor], tape: Tape, reduction: str) -> list[str]:
    """The first wrong intermediate from the scores down, under the user's own name."""
    for kind, name, value in right_ones(tape, reduction):
        for given, tensor in extra.items():
            tensor = tensor.T if tensor.shape == value.shape[::-1] else tensor
            last = given.rsplit(".", 1)[-1].lower()
            is_activation = bool(re.search(r"a\d|h\d|hidden|relu|act", last))
            if tensor.shape != value.shape or (
                is_activation != (kind == "a") and len(tape.z) > 1 and value.shape[1] != tape.p.shape[1]
            ):
                continue
            if float((tensor - value).norm()) > 1e-6 * float(value.norm()):
                return [f"the first wrong intermediate is {given} (here {name})"]
    return []
