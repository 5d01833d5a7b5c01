"""Mistakes in one tensor of a layer alone, where the chain of gradients above it is known."""

from collections.abc import Iterator

import torch
from torch import Tensor

from cifar_mlp.parity.check import slips
from cifar_mlp.parity.check.factors import factor_words, share_of
from cifar_mlp.parity.check.sought import Sought, fit
from cifar_mlp.parity.check.tape import Tape


def in_one_tensor(
    sought: Sought, index: int, part: str, mine: Tensor, right: Tensor, dz: Tensor, du: Tensor, base: Tensor | None
) -> list[str] | None:
    """A mistake in one tensor alone, the chain above it being known."""
    target = getattr(sought, part) if base is not None else 0.0
    if float(mine.norm()) == 0:
        return ["the gradient is 0: it is never computed or added"]
    columns = [right.reshape(-1), *([base.reshape(-1)] if base is not None else [])]
    if base is not None and (found := fit(mine.reshape(-1), columns, sought)) is not None:
        return share_of(found[0], found[1], target, sought.tape.drawn, part, base)
    if base is None and (found := fit(mine.reshape(-1), columns, sought)) is not None:
        return [factor_words(found[0], sought.tape.drawn)]
    for words, candidate in _candidates(sought.tape, index, part, right, dz, du, base):
        if candidate.shape != mine.shape or float(candidate.norm()) == 0:
            continue
        columns = [candidate.reshape(-1), *([base.reshape(-1)] if base is not None else [])]
        if (found := fit(mine.reshape(-1), columns, sought)) is not None:
            more = share_of(1.0, found[1], target, sought.tape.drawn, part, base) if base is not None else []
            scaled = f" ({factor_words(found[0], sought.tape.drawn)})" if abs(found[0] - 1) > 1e-6 else ""
            return [words + scaled, *more]
    if base is not None:
        for words, other in _penalties(sought.tape, base):
            found = fit(mine.reshape(-1), [right.reshape(-1), other.reshape(-1)], sought)
            if found is not None and abs(found[0] - 1) < 1e-6:
                return [f"the penalty's gradient is {words}, not 2 lambda w"]
    return None


def _penalties(tape: Tape, base: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "of the signs of the weights", base.sign()
    yield "the same number everywhere", torch.ones_like(base)
    yield "of the squares of the weights", base.square()
    yield "of the absolute weights", base.abs()
    if base.dim() == 2 and base.shape[0] == base.shape[1]:
        yield "of the transposed weights", base.T


def _candidates(
    tape: Tape, index: int, part: str, right: Tensor, dz: Tensor, du: Tensor, base: Tensor | None
) -> Iterator[tuple[str, Tensor]]:
    layer, n = index + 1, len(dz)
    backs: list[tuple[str, Tensor]] = [
        (f"da{layer}", _before(tape, index, du)),
        (f"the gradient after normalization of layer {layer}", du),
    ]
    backs = [(name, b) for name, b in backs if b.shape == dz.shape] if index + 1 < len(tape.z) else []
    others = backs + list(slips.of_width(tape, dz.shape[1]))
    if part in ("bias", "beta"):
        own = dz if part == "bias" else du
        yield "it is that of one example, the first; the others are not added", own[0]
        yield "it is that of one example, the last; the others are not added", own[-1]
        yield "it is one sum over everything", torch.full_like(right, float(own.sum()))
        yield "it is one mean over everything", torch.full_like(right, float(own.mean()))
        yield "it is the largest over the examples, not their sum", own.amax(0)
        yield "it sums absolute values", own.abs().sum(0)
        if part == "beta":
            yield "it sums dxhat, not dy", (own * tape.drawn.parameters[index]["gamma"]).sum(0)
        yield "it sums squares", own.square().sum(0)
        for name, other in [(f"dz{layer}", dz), *others]:
            yield f"it sums {name}, not {'dz' if part == 'bias' else 'dy'}{layer}", other.sum(0)
        return
    if part == "gamma":
        for name, other in {
            "z": tape.z[index],
            "z - mean": tape.z[index] - tape.z[index].mean(0),
            "y": tape.u[index],
        }.items():
            yield f"it sums dy {name}, not dy xhat", (du * other).sum(0)
        yield "it sums dy, not dy xhat", du.sum(0)
        yield "it is divided by the scale", right / tape.drawn.parameters[index]["gamma"]
        yield "it sums dz xhat, not dy xhat", (dz * tape.xhat[index]).sum(0)  # type: ignore[operator]
        return
    x = tape.x[index]
    yield "it is reshaped, not transposed", right.T.contiguous().reshape(right.shape)
    yield "the inputs are reshaped, not transposed", x.reshape(x.shape[1], n) @ dz
    for dim, what in ((0, "row"), (1, "column")):
        for by in (1, -1):
            yield f"it is rolled by one {what}", right.roll(by, dim)
    yield "it is flipped", right.flip(0)
    yield "it is flipped", right.flip(1)
    yield "it uses one example only, the first", x[:1].T @ dz[:1]
    yield "it uses one example only, the last", x[-1:].T @ dz[-1:]
    yield "it uses the absolute values of the inputs", x.abs().T @ dz
    yield "it is multiplied by the weights", right * base if base is not None else right
    fronts = [(f"{name}", t) for name, t in slips.of_width(tape, x.shape[1])]
    for back_name, back in [(f"dz{layer}", dz), *others]:
        for front_name, front in [("its input", x), *fronts]:
            said = []
            if front_name != "its input":
                said.append(f"it takes {front_name} where it needs its layer's input")
            if back_name != f"dz{layer}":
                said.append(f"it takes {back_name} where it needs dz{layer}")
            yield " and ".join(said), front.T @ back


def _before(tape: Tape, index: int, du: Tensor) -> Tensor:
    """The gradient in the activation's output, from which ``du`` came."""
    return tape.before.get(index, du)
