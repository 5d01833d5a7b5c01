"""Exact matches of a student's tensor: with the right one in any multiple, with a penalty, or with a known mistake."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_mlp.parity.check.forward_pass import ForwardPass
from cifar_mlp.parity.check.mistakes import of_width
from cifar_mlp.parity.check.relations import factor_words, relation, share_of, unequal_counts

SOLVABLE = 10**6  # numbers in a system of equations
SOME: dict[str, Callable[[Tensor], Tensor]] = {  # how often each counts, by its number from 0 and counted from the end
    "it is that of one example, the first; the others are not added": lambda at: (at == 0).double(),
    "it is that of one example, the last; the others are not added": lambda at: (at == len(at) - 1).double(),
    "one example is left out, the first": lambda at: (at > 0).double(),
    "one example is left out, the last": lambda at: (at < len(at) - 1).double(),
    "it is divided by N inside the loop over the examples, once for each": lambda at: len(at) ** (at - len(at)),
}


@dataclass
class Sought:
    """What is to be explained: gradients by layer, and the penalty's right share of them."""

    passed: ForwardPass
    gradients: list[dict[str, Tensor]]
    names: list[dict[str, str]]
    reduction: str
    penalty: dict[str, float]  # the penalty's gradient is this times a weight, a bias
    tolerance: float
    floor: float  # below this a norm is rounding
    turned: bool = False  # whether the user has weights as (O, I)

    def base(self, index: int, part: str) -> Tensor | None:
        """What a penalty of this tensor would be a multiple of."""
        return self.passed.drawn.parameters[index].get(part) if part in self.penalty else None

    def close(self, found: Tensor, expected: Tensor) -> bool:
        """Whether two tensors agree to the tolerance."""
        if found.shape != expected.shape:
            return False
        scale = max(float(expected.norm()), self.floor)
        return float((found - expected).norm()) <= self.tolerance * scale

    def fit(self, left: Tensor, columns: list[Tensor], floor: float = 0.0) -> list[float] | None:
        """Coefficients of an exact combination of one or two tensors; in NumPy, which is faster on few numbers."""
        y, xs = left.reshape(-1).numpy(), [column.reshape(-1).numpy() for column in columns]
        squares = [float(x @ x) for x in xs]
        if not all(math.isfinite(square) and square > 0 for square in squares):
            return None
        solved = [float(xs[0] @ y) / squares[0]]
        if len(xs) == 2:
            along, first, other = float(xs[0] @ xs[1]), float(xs[0] @ y), float(xs[1] @ y)
            determinant = squares[0] * squares[1] - along**2
            if determinant <= 1e-9 * squares[0] * squares[1]:
                return None
            solved = [(squares[1] * first - along * other) / determinant,
                      (squares[0] * other - along * first) / determinant]  # fmt: skip
        rest = y - sum(c * x for c, x in zip(solved, xs, strict=True))
        scale = max(math.sqrt(float(y @ y)), self.floor, floor)
        return solved if math.sqrt(float(rest @ rest)) <= 3 * self.tolerance * scale else None

    def shares(self, mine: Tensor, right: Tensor, penalty: Tensor, target: float) -> list[float] | None:
        """Of the right tensor and of the penalty; 1 and ``target`` where they differ from these by rounding alone."""
        found = self.fit(mine, [right, penalty])
        rounding = 3 * self.tolerance * float(mine.norm())
        near = zip(found or (), (1.0, target), (right, penalty), strict=False)
        return [goal if abs(c - goal) * float(x.norm()) <= rounding else c for c, goal, x in near] or None


def in_one_tensor(sought: Sought, index: int, part: str, right: Tensor, dz: Tensor, du: Tensor) -> list[str] | None:
    """A mistake in one tensor alone, where the chain of gradients above it is known; ``right`` is without penalty."""
    mine, base, drawn = sought.gradients[index][part], sought.base(index, part), sought.passed.drawn
    target = sought.penalty.get(part, 0.0)
    if float(mine.norm()) == 0:
        return ["the gradient is 0: it is never computed or added"]
    if part == "bias" and float(mine.norm()) <= 1e-9 * float(right.norm()):
        return ["it is one sum over everything, which softmax makes 0: sum over the examples alone"]
    if mine.numel() > 1 and abs(float(mine.norm()) - 1) < 1e-9:
        return ["its norm is 1: it is divided by its own norm"]
    if base is not None and (found := sought.shares(mine, right, base, target)) is not None:
        return share_of(found[0], found[1], target, drawn, part, base)
    if base is None and (found := sought.fit(mine, [right])) is not None:
        return [factor_words(found[0], drawn)]
    if part == "bias" and sought.close(mine, sought.gradients[index]["weight"].sum(0)):
        return [f"it sums the gradient of {sought.names[index]['weight']}, not dz{index + 1}"]
    for words, candidate in _candidates(sought.passed, index, part, right, dz, du, base):
        if candidate.shape != mine.shape or float(candidate.norm()) <= 1e-6 * sought.floor:
            continue
        found = sought.fit(mine, [candidate]) if base is None else sought.shares(mine, candidate, base, target)
        if found is not None:
            more = share_of(1.0, found[1], target, drawn, part, base) if base is not None else []
            scaled = f" ({factor_words(found[0], drawn)})" if abs(found[0] - 1) > 1e-6 else ""
            return [words + scaled, *more]
    own = drawn.parameters[index][part]
    for words, other in _penalties(own):
        found = sought.fit(mine, [right, other])
        if found is not None and abs(found[0] - 1) < 1e-6:
            if other is own:
                return [f"a {part} must not have a penalty"]
            return [f"the penalty's gradient is {words}, not 2 lambda w"]
    whole = right if base is None else right + target * base
    least, most = float(mine.min()), float(mine.max())
    if most - least <= sought.tolerance * abs(most):
        return ["the same number everywhere: it is summed over too much"]
    treated = {
        f"it is clipped to {least:.4g} to {most:.4g}": whole.clamp(least, most),
        "it is the sign of the gradient": whole.sign(),
        **{f"it is rounded to {digits} digits": whole.round(decimals=digits) for digits in range(1, 6)},
    }
    for words, changed in treated.items():
        if sought.close(mine, changed):
            return [words]
    if part == "weight" and mine.shape == right.shape and len(dz) * mine.numel() <= SOLVABLE:
        each = torch.einsum("ni,no->ion", sought.passed.x[index], dz).flatten(0, 1)
        left = mine if base is None else mine - target * base
        if counted := unequal_counts(each, left.reshape(-1), len(dz), sought.tolerance):
            return [counted]
    given = [x.T if x.dim() == 2 and sought.turned else x for x in (mine, whole, own)]
    words = relation(given[0], given[1], lambda c: factor_words(c, drawn), 10 * sought.tolerance, given[2])
    wrong = int(((mine - whole).abs() > sought.tolerance * whole.abs().max()).sum())
    return [words] if words.startswith("wrong in") and ": " in words and 2 * wrong <= mine.numel() else None


def _penalties(own: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "", own
    yield "of the signs of the weights", own.sign()
    yield "the same number everywhere", torch.ones_like(own)
    yield "of the squares of the weights", own.square()
    yield "of the absolute weights", own.abs()
    if own.dim() == 2 and own.shape[0] == own.shape[1]:
        yield "of the transposed weights", own.T


def _candidates(
    passed: ForwardPass, index: int, part: str, right: Tensor, dz: Tensor, du: Tensor, base: Tensor | None
) -> Iterator[tuple[str, Tensor]]:
    layer, x, hidden = index + 1, passed.x[index], index < len(passed.u)
    yield "it is the absolute value of the gradient", right.abs()
    backs = [(f"da{layer}", passed.before.get(index, du)), (f"the gradient after normalization of layer {layer}", du)]
    others = [*(backs if hidden else []), *of_width(passed, dz.shape[1])]
    if part in ("bias", "beta"):
        own, gradient = (dz, "dz") if part == "bias" else (du, "dy")
        for words, count in SOME.items():
            yield words, (own * count(torch.arange(len(own)).double())[:, None]).sum(0)
        yield "it is one sum over everything", torch.full_like(right, float(own.sum()))
        yield "it is one mean over everything", torch.full_like(right, float(own.mean()))
        yield "it is the largest over the examples, not their sum", own.amax(0)
        yield "it sums absolute values", own.abs().sum(0)
        if part == "beta":
            yield "it sums dxhat, not dy", (own * passed.drawn.parameters[index]["gamma"]).sum(0)
        yield "it sums squares", own.square().sum(0)
        for name, other in [(f"dz{layer}", dz), *others]:
            yield f"it sums {name}, not {gradient}{layer}", other.sum(0)
    elif part == "gamma":
        gamma, xhat = passed.drawn.parameters[index]["gamma"], passed.standardized[index].xhat
        centred = passed.z[index] - passed.z[index].mean(0)
        for name, other in {"z": passed.z[index], "z - mean": centred, "y": passed.u[index]}.items():
            yield f"it sums dy {name}, not dy xhat", (du * other).sum(0)
        yield "it sums dy, not dy xhat", du.sum(0)
        yield "it sums dxhat xhat, not dy xhat", right * gamma
        yield "it is divided by the scale", right / gamma
        yield "it sums dz xhat, not dy xhat", (dz * xhat).sum(0)
        yield "it sums da xhat, not dy xhat", (passed.before.get(index, du) * xhat).sum(0)
    else:
        yield (
            "it is the product of two sums over the examples, not the sum of products",
            torch.outer(x.sum(0), dz.sum(0)),
        )
        yield "it is reshaped, not transposed", right.T.reshape(right.shape)
        yield "it is reshaped, not transposed", right.reshape(right.shape[::-1]).T
        yield "the inputs are reshaped, not transposed", x.reshape(x.shape[1], len(x)) @ dz
        for dim, what in ((0, "row"), (1, "column")):
            yield f"it is rolled by one {what}", right.roll(1, dim)
            yield f"it is rolled by one {what}", right.roll(-1, dim)
            yield "it is flipped", right.flip(dim)
        for words, count in SOME.items():
            yield words, (x * count(torch.arange(len(x)).double())[:, None]).T @ dz
        yield "it uses the absolute values of the inputs", x.abs().T @ dz
        yield "it is multiplied by the weights", right * base if base is not None else right
        for back_name, back in [("", dz), *others]:
            for front_name, front in [("", x), *of_width(passed, x.shape[1])]:
                said = [f"it takes {front_name} where it needs its layer's input"] if front_name else []
                said += [f"it takes {back_name} where it needs dz{layer}"] if back_name else []
                yield " and ".join(said), front.T @ back
