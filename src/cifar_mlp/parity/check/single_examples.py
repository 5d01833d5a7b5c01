"""What a network shows of itself in one example at a time, whatever stands between its layers.

With one example, a layer's gradients are dz (the bias's) and the layer's input times dz (the weight's). So differences
of the loss show the input and the right dz of every layer, and the answer shows the user's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check.central_differences import STEPS, difference
from cifar_mlp.parity.check.user_function import UserFunction

# Shape legend: N = examples, each alone in its batch, I, O = input and output features of a layer

EXAMPLES = 10
FEWEST = 4  # of them that must show something
NEAR = 1e-5  # relative; differences of a loss are not more exact
SMALL = 1e-4  # relative; a gradient below this is left out of a quotient


@dataclass
class Shown:
    """What single examples show of every layer, from input to output."""

    weights: list[list[Tensor]]  # by layer, one (I, O) for each example
    labels: Tensor  # (N,)
    inputs: Tensor  # (N, I), as they were passed
    x: list[Tensor] = field(default_factory=list)  # (N, I), each layer's input
    z: list[Tensor] = field(default_factory=list)  # (N, O), its affine output
    dz: list[Tensor] = field(default_factory=list)  # (N, O), the right gradient in z
    theirs: list[Tensor] = field(default_factory=list)  # (N, O), the user's
    their_x: list[Tensor] = field(default_factory=list)  # (N, I), the input that the user's weight gradient takes
    their_bias: list[Tensor] = field(default_factory=list)  # (N, O), the user's bias gradient

    def through(self, index: int, dz: Tensor) -> Tensor:
        """The gradient in a layer's input from that in its output."""
        return torch.stack([w @ row for w, row in zip(self.weights[index], dz, strict=True)])


def show(function: UserFunction, seed: int) -> Shown | str | None:
    """All that shows, or what is wrong with weights that are used more than once."""
    layout = function.layout.of_sizes(function.layout.sizes, 1)
    if any(layer.keys() != {"weight", "bias"} for layer in layout.layers):
        return None
    one, rows = replace(function, layout=layout), []
    for number in range(EXAMPLES):
        drawn = layout.draw(seed + 10 + number)
        answer = one.by_layer(one(drawn))
        point, each = layout.flat(drawn), []

        def right(tensor: int, entries: Sequence[int], drawn: Any = drawn, point: Any = point) -> Tensor:
            found = [
                difference(lambda values: one.loss(drawn, values), point, tensor, i, STEPS[False][0]) for i in entries
            ]
            return torch.tensor(found, dtype=torch.float64)

        for index, (mine, parts) in enumerate(zip(answer, drawn.parameters, strict=True)):
            (wide, high), places = parts["weight"].shape, layout.layers[index]
            dz = right(places["bias"], range(high))
            largest = dz.abs().argsort(descending=True)[:2].tolist()
            if float(dz.abs().max()) == 0:
                break  # every unit is off: nothing shows
            columns = [[i * high + o if not layout.transposed else o * wide + i for i in range(wide)] for o in largest]
            x, other = (right(places["weight"], found) / dz[o] for o, found in zip(largest, columns, strict=True))
            theirs = mine["bias"]
            their_x = mine["weight"] @ theirs / theirs.square().sum().clamp_min(1e-300)
            outer = near(torch.outer(their_x, theirs), mine["weight"])
            of_weight = x @ mine["weight"] / x.square().sum().clamp_min(1e-300)
            if not outer and near(torch.outer(x, of_weight), mine["weight"], 1e-3):
                theirs, their_x, outer = of_weight, x, True  # the bias's gradient is wrong by itself
            if abs(float(dz[largest[1]])) > SMALL * float(dz.abs().max()) and not near(x, other, 1e-3):
                names = " and ".join(one.part_names[index].values())  # used more than once: no outer product
                of_one = f"{names} are used more than once, and their gradients hold one use alone: add up all"
                return of_one if outer else None
            their_x = their_x if outer else x * torch.nan
            each.append((x, x @ parts["weight"] + parts["bias"], dz, theirs, their_x, mine["bias"]))
        if len(each) == len(layout.layers):
            rows.append((each, drawn))
    if len(rows) < FEWEST:
        return None
    weights = [[drawn.parameters[i]["weight"] for _, drawn in rows] for i in range(len(layout.layers))]
    labels, inputs = (torch.cat([getattr(drawn, name) for _, drawn in rows]) for name in ("labels", "inputs"))
    shown = Shown(weights, labels, inputs)
    for index in range(len(layout.layers)):
        of_layer = (shown.x, shown.z, shown.dz, shown.theirs, shown.their_x, shown.their_bias)
        for place, values in enumerate(of_layer):
            values.append(torch.stack([each[index][place] for each, _ in rows]))
    return shown


def near(found: Tensor, expected: Tensor, share: float = NEAR) -> bool:
    """Whether two tensors differ by no more than this share, normwise."""
    return float((found - expected).norm()) <= share * float(expected.norm()) + 1e-9
