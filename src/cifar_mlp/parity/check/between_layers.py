"""What stands between two layers of an unknown network, and what a user takes for its derivative."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_mlp.parity.check.forward_pass import ACTIVATIONS
from cifar_mlp.parity.check.relations import combination, sum_words
from cifar_mlp.parity.check.single_examples import NEAR, SMALL, Shown, near
from cifar_mlp.parity.check.written_forms import formula_terms

# Shape legend: N = examples, each alone in its batch, O = features

SMOOTH = 0.05  # of the spread: by how much a function's value differs from its neighbours' mean


@dataclass
class Way:
    """What stands between a layer's affine output z and the next layer's input y."""

    key: Tensor  # (N, O), z or, if something is added before the activation, that sum
    value: Tensor  # (N, O), y without what is added after the activation
    by_unit: bool  # whether the value is a function of the key, each unit by itself
    source: int | None = None  # a skip connection: the layer whose input is added
    before: bool = False  # whether it is added before the activation


def way_of(shown: Shown, index: int) -> Way:
    """What stands between this layer and the next."""
    z, y = shown.z[index], shown.x[index + 1]
    if _is_function(z, y):
        return Way(z, y, True)
    for source in range(index + 1):
        x = to_width(shown.x[source], y.shape[1])
        if _is_function(z, y - x):
            return Way(z, y - x, True, source)
        if _is_function(z + x, y):
            return Way(z + x, y, True, source, before=True)
    return Way(z, y, False)


def to_width(x: Tensor, width: int) -> Tensor:
    """The first columns, or zeros after them: what is added to a layer of another width."""
    return torch.nn.functional.pad(x, (0, width - x.shape[1]))


def _is_function(key: Tensor, value: Tensor) -> bool:
    """Whether near keys have near values: most lie between their neighbours; a few may be at a kink or a step."""
    known = ~value.isnan()
    order = key[known].argsort()
    x, y = key[known][order], value[known][order]
    if len(x) < 20:
        return False
    share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    off = (y[1:-1] - y[:-2] - share * (y[2:] - y[:-2])).abs()
    return float(off[off > 0].quantile(0.7)) <= SMOOTH * float(y.std()) if bool((off > 0).any()) else True


def ratio(one: Tensor, other: Tensor) -> Tensor:
    """Entry by entry; NaN where the other is as good as 0."""
    large = other.abs() > SMALL * other.abs().max()
    return torch.where(large, one / torch.where(large, other, 1.0), torch.nan)


def all_are(found: Tensor, c: float) -> bool:
    """Whether all are this number, and there are any."""
    return len(found) > 0 and float((found - c).abs().max()) <= 1e-3 * max(1.0, abs(c))


def of_the_activation(way: Way, mine: Tensor, right: Tensor, into: Tensor) -> str:
    """What the user multiplies da by, and what it should be multiplied by."""
    used, needed = ratio(mine, into), ratio(right, into)
    known = ~used.isnan() & ~needed.isnan()
    used, needed, z, a = used[known], needed[known], way.key[known], way.value[known]
    if not len(used):
        return ""
    if all_are(used, 1.0):
        return "dz is da: the derivative of what stands between z and the next layer's input is missing"
    off, both = (used == 0) != (needed.abs() < NEAR), (used != 0) & (needed.abs() > NEAR)
    times = used[both] / needed[both]
    alike = all_are(times, float(times.mean()))
    if alike and not bool(off.any()):
        c, on = float(times.mean()), a != 0
        scaled = any(near(c * a[on], forward(z[on])) for forward, _ in ACTIVATIONS.values())
        more = f": the forward pass divides by {c:.5g} (dropout's keep probability?), the backward pass does not"
        return f"dz is {c:.5g} times the right one{more * scaled}"
    if alike and not _is_function(z, used):
        return "other units are 0 than in the forward pass: the mask is of another tensor, or dropout's is drawn anew"
    if alike and not way.by_unit:
        return "the mask of dropout is missing: dz is not 0 where a unit was dropped"
    if not way.by_unit:
        return _of_a_normalization(way, mine, right, into)
    wrong = (used - needed).abs() > 1e-4 * needed.abs().max()
    where = _range(z, wrong) if bool(wrong.any()) else ""
    if where and float(used[wrong].std()) < 1e-4 and float(needed[wrong].std()) < 1e-4:
        values = f"it is {float(used[wrong].mean()):.4g} there, and should be {float(needed[wrong].mean()):.4g}"
        return f"the derivative is wrong where {where} alone: {values}"
    for name, (_, derivative) in ACTIVATIONS.items():
        if near(used, derivative(torch.ones_like(z), z)):
            return f"the derivative is that of {name}, and the activation is another"
    terms = formula_terms(z, a)
    written, should = (sum_words(combination(value, terms, close)) for value, close in ((used, NEAR), (needed, NEAR)))
    if written and should:
        return f"da is multiplied by {written}, and should be by {should}"
    if written:
        return f"da is multiplied by {written}, which is not the derivative of this activation"
    if where:
        return f"the derivative is wrong where {where} alone"
    if _is_function(z, used):
        worst = int((used - needed).abs().argmax())
        at = f"{float(used[worst]):.4g} where z = {float(z[worst]):.4g}, and should be {float(needed[worst]):.4g}"
        return f"the formula of the activation's derivative is wrong: it gives {at}"
    return ""


def _range(z: Tensor, wrong: Tensor) -> str:
    """Where z is, if the wrong entries are all of a range that leaves out some; else nothing."""
    low, high = float(z[wrong].min()), float(z[wrong].max())
    ranges = {f"z >= {low:.3g}": z >= low, f"z <= {high:.3g}": z <= high,
              f"z is between {low:.3g} and {high:.3g}": (z >= low) & (z <= high)}  # fmt: skip
    left_out = int((~wrong).sum()) > len(z) // 10
    return next((words for words, within in ranges.items() if left_out and torch.equal(within, wrong)), "")


def _of_a_normalization(way: Way, mine: Tensor, right: Tensor, into: Tensor) -> str:
    """Of one over an example's units, after the activation: dz = f'(z) (k dy + l y + m), with k, l, m by example."""
    for _, derivative in ACTIVATIONS.values():
        slope = derivative(torch.ones_like(way.key), way.key)
        rows = (slope != 0).sum(1) > 3
        if not bool(rows.any()):
            continue
        columns = torch.stack([slope * term for term in (into, way.value, torch.ones_like(slope))], 2)[rows]
        solved = [torch.linalg.lstsq(columns, dz[rows, :, None], driver="gelsd").solution for dz in (right, mine)]
        fits = [near((columns @ c)[:, :, 0], dz[rows]) for c, dz in zip(solved, (right, mine), strict=True)]
        if not fits[0]:
            continue
        if not fits[1]:
            return ""
        needed, used = (c[:, :, 0] for c in solved)  # (rows, 3)
        if all(all_are(used[:, place], c) for place, c in enumerate((1.0, 0.0, 0.0))):
            return "the normalization is not differentiated: da passes it unchanged"
        for place, term in ((1, "what it divides by"), (2, "the mean that it subtracts")):
            times = ratio(used[:, place], needed[:, place])
            times = times[~times.isnan()]
            if float(needed[:, place].abs().max()) < NEAR or all_are(times, 1.0):
                continue
            if all_are(times, 0.0):
                return f"the normalization holds {term} fixed: the derivative of that is missing"
            if all_are(times, c := float(times.mean())):
                width = way.key.shape[1]
                more = " = the number of units: a sum in place of a mean" * (abs(c - width) < 1e-3)
                return f"the normalization: the derivative of {term} is {c:.4g} times the right one{more}"
    return ""
