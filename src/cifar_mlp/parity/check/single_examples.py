"""Mistakes in a network that no formula here describes, found in one example at a time.

With one example, a layer's gradients are dz (the bias's) and the layer's input times dz (the weight's). So differences
of the loss show the input and the right dz of every layer, whatever stands between two layers, and the answer shows
the user's own. The checker compares them unit by unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check.calling import SubmissionError
from cifar_mlp.parity.check.central_differences import STEPS, difference
from cifar_mlp.parity.check.forward_pass import ACTIVATIONS
from cifar_mlp.parity.check.relations import combination, sum_words
from cifar_mlp.parity.check.user_function import UserFunction
from cifar_mlp.parity.check.written_forms import formula_terms, of_own_dscores

# Shape legend: N = examples, each alone in its batch, I, O = input and output features of a layer

EXAMPLES = 10
FEWEST = 4  # of them that must show something
NEAR = 1e-5  # relative; differences of a loss are not more exact
SMOOTH = 0.05  # of the spread: by how much a function's value differs from its neighbours' mean
SMALL = 1e-4  # relative; a gradient below this is left out of a quotient


@dataclass
class Way:
    """What stands between a layer's affine output z and the next layer's input y."""

    key: Tensor  # (N, O), z or, if something is added before the activation, that sum
    value: Tensor  # (N, O), y without what is added after the activation
    by_unit: bool  # whether the value is a function of the key, each unit by itself
    source: int | None = None  # a skip connection: the layer whose input is added
    before: bool = False  # whether it is added before the activation


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

    def through(self, index: int, dz: Tensor) -> Tensor:
        """The gradient in a layer's input from that in its output."""
        return torch.stack([w @ row for w, row in zip(self.weights[index], dz, strict=True)])


def by_single_examples(function: UserFunction, seed: int) -> list[str]:
    """The mistakes in words, from the scores down to the first without a name; nothing where nothing shows."""
    try:
        shown = _shown(replace(function, regularization=0.0), seed)
    except (SubmissionError, ValueError, RuntimeError):
        return []
    if isinstance(shown, str):
        return [shown]
    return _compared(shown) if shown is not None else []


def _shown(function: UserFunction, seed: int) -> Shown | str | None:
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
            outer = _near(torch.outer(their_x, theirs), mine["weight"])
            if abs(float(dz[largest[1]])) > SMALL * float(dz.abs().max()) and not _near(x, other, 1e-3):
                names = " and ".join(one.part_names[index].values())  # used more than once: no outer product
                of_one = f"{names} are used more than once, and their gradients hold one use alone: add up all"
                return of_one if outer else None
            each.append((x, x @ parts["weight"] + parts["bias"], dz, theirs, their_x if outer else x * torch.nan))
        if len(each) == len(layout.layers):
            rows.append((each, drawn))
    if len(rows) < FEWEST:
        return None
    weights = [[drawn.parameters[i]["weight"] for _, drawn in rows] for i in range(len(layout.layers))]
    labels, inputs = (torch.cat([getattr(drawn, name) for _, drawn in rows]) for name in ("labels", "inputs"))
    shown = Shown(weights, labels, inputs)
    for index in range(len(layout.layers)):
        for place, values in enumerate((shown.x, shown.z, shown.dz, shown.theirs, shown.their_x)):
            values.append(torch.stack([each[index][place] for each, _ in rows]))
    return shown


def _near(found: Tensor, expected: Tensor, share: float = NEAR) -> bool:
    return float((found - expected).norm()) <= share * float(expected.norm()) + 1e-9


def _all_are(found: Tensor, c: float) -> bool:
    return len(found) > 0 and float((found - c).abs().max()) <= 1e-3 * max(1.0, abs(c))


def _compared(shown: Shown) -> list[str]:
    said: dict[str, list[str]] = {}
    last, ways = len(shown.z) - 1, [_way(shown, index) for index in range(len(shown.z) - 1)]
    into: dict[int, Tensor] = {}  # the right gradient in each layer's input
    theirs: dict[int, Tensor] = {}  # and the user's
    above_right = True
    for index in reversed(range(last + 1)):
        mine, number, skipped = shown.theirs[index], index + 1, None
        if index == last:
            expected, words = shown.dz[index], _of_scores(shown)
        else:
            around, their_around = (
                _around(index + 1, ways, *given) for given in ((shown.dz, into), (shown.theirs, theirs))
            )
            into[index + 1] = shown.through(index + 1, shown.dz[index + 1]) + around
            through = shown.through(index + 1, shown.theirs[index + 1])
            theirs[index + 1] = through + their_around
            if not above_right and not ways[index].by_unit:
                return _merged(said)  # what it should be from there is not known
            expected = shown.dz[index] * (1 if above_right else _ratio(theirs[index + 1], into[index + 1]))
            expected, words = torch.where(expected.isnan(), mine, expected), ""
            if not _near(mine, expected):
                skipped, words = _of_the_skip(shown, index, ways, into[index + 1], through, their_around, theirs)
                if skipped is not None:
                    theirs[index + 1] = skipped
                words = words or _of_the_activation(ways[index], mine, expected, theirs[index + 1])
        if not _near(mine, expected):
            above_right = False
            if not words:
                return _merged(said)
            in_chain = index < last and skipped is None  # else the words say where
            said.setdefault(words, []).append(f"dz{number}" if in_chain else "")
        if not _near(shown.their_x[index], shown.x[index], 1e-3):
            said.setdefault(_of_the_input(shown, index), []).append(f"dW{number}")
    return _merged(said)


def _merged(said: dict[str, list[str]]) -> list[str]:
    return [f"{', '.join(where)}: {words}" if all(where) else words for words, where in said.items()]


def _ratio(one: Tensor, other: Tensor) -> Tensor:
    """Entry by entry; NaN where the other is as good as 0."""
    large = other.abs() > SMALL * other.abs().max()
    return torch.where(large, one / torch.where(large, other, 1.0), torch.nan)


def _way(shown: Shown, index: int) -> Way:
    z, y = shown.z[index], shown.x[index + 1]
    if _is_function(z, y):
        return Way(z, y, True)
    for source in range(index + 1):
        if (x := shown.x[source]).shape == y.shape:
            if _is_function(z, y - x):
                return Way(z, y - x, True, source)
            if _is_function(z + x, y):
                return Way(z + x, y, True, source, before=True)
    return Way(z, y, False)


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


def _around(index: int, ways: list[Way], dz: list[Tensor], into: dict[int, Tensor]) -> Any:
    """The part of the gradient in a layer's input that comes from the ways around it and the layers above."""
    found = [(dz[m] if way.before else into[m + 1]) for m, way in enumerate(ways) if way.source == index]
    return sum(found) if found else 0.0


def _of_the_skip(
    shown: Shown, index: int, ways: list[Way], right: Tensor, through: Tensor, around: Any, theirs: dict[int, Tensor]
) -> tuple[Tensor | None, str]:
    """The gradient in this layer's output with which the user's dz is the right one, where a skip connection is."""
    tops = [m for m, way in enumerate(ways) if way.source == index + 1]
    if not tops:
        return None, ""
    first, last = index + 2, tops[0] + 1
    over = f"layer {first}" if first == last else f"layers {first} to {last}"
    versions = {
        f"da{index + 1} lacks the gradient of the way around {over}, the skip connection": through,
        f"da{index + 1} has only the gradient of the way around {over}": around,
        f"da{index + 1} counts the gradient of the way around {over} twice": through + 2 * around,
        f"da{index + 1} takes dz{last} for the way around {over}, where it needs da{last}":
            through + (shown.theirs[tops[0]] if shown.theirs[tops[0]].shape == through.shape else torch.nan),
    }  # fmt: skip
    for words, version in versions.items():
        if _near(shown.theirs[index] * right, shown.dz[index] * version):
            return version, words
    return None, ""


def _of_the_activation(way: Way, mine: Tensor, right: Tensor, into: Tensor) -> str:
    """What the user multiplies da by, and what it should be multiplied by."""
    used, needed = _ratio(mine, into), _ratio(right, into)
    known = ~used.isnan() & ~needed.isnan()
    used, needed, z, a = used[known], needed[known], way.key[known], way.value[known]
    if not len(used):
        return ""
    if _all_are(used, 1.0):
        return "dz is da: the derivative of what stands between z and the next layer's input is missing"
    off, both = (used == 0) != (needed.abs() < NEAR), (used != 0) & (needed.abs() > NEAR)
    times = used[both] / needed[both]
    alike = _all_are(times, float(times.mean()))
    if alike and not bool(off.any()):
        return f"dz is {float(times.mean()):.5g} times the right one"
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
        if _near(used, derivative(torch.ones_like(z), z)):
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
        fits = [_near((columns @ c)[:, :, 0], dz[rows]) for c, dz in zip(solved, (right, mine), strict=True)]
        if not fits[0]:
            continue
        if not fits[1]:
            return ""
        needed, used = (c[:, :, 0] for c in solved)  # (rows, 3)
        if all(_all_are(used[:, place], c) for place, c in enumerate((1.0, 0.0, 0.0))):
            return "the normalization is not differentiated: da passes it unchanged"
        for place, term in ((1, "what it divides by"), (2, "the mean that it subtracts")):
            times = _ratio(used[:, place], needed[:, place])
            times = times[~times.isnan()]
            if float(needed[:, place].abs().max()) < NEAR or _all_are(times, 1.0):
                continue
            if _all_are(times, 0.0):
                return f"the normalization holds {term} fixed: the derivative of that is missing"
            if _all_are(times, c := float(times.mean())):
                width = way.key.shape[1]
                more = " = the number of units: a sum in place of a mean" * (abs(c - width) < 1e-3)
                return f"the normalization: the derivative of {term} is {c:.4g} times the right one{more}"
    return ""


def _of_scores(shown: Shown) -> str:
    right, theirs, n = shown.dz[-1], shown.theirs[-1], len(shown.labels)
    if _near(theirs, right):
        return ""
    times = _ratio(theirs, right)
    times = times[~times.isnan()]
    if _all_are(times, float(times.mean())):
        c = float(times.mean())
        return "dscores is twice the right one" if abs(c - 2) < 1e-4 else f"dscores is {c:.5g} times the right one"
    passed: Any = SimpleNamespace(dscores=right / n, p=shown.z[-1].softmax(1), scores=shown.z[-1],
                                  drawn=SimpleNamespace(labels=shown.labels))  # fmt: skip
    return next(of_own_dscores(passed, theirs / n), "")


def _of_the_input(shown: Shown, index: int) -> str:
    """What the user's weight gradient takes in place of the layer's input."""
    taken, number = shown.their_x[index], index + 1
    if index == 0:
        if _near(taken, shown.inputs):
            return "it takes the inputs as they were passed; the forward pass changes them first: take the changed ones"
    elif taken.shape == shown.z[index - 1].shape and _near(taken, shown.z[index - 1], 1e-3):
        return f"it takes z{number - 1} where it needs its layer's input"
    others = {f"the input of layer {i}": x for i, x in enumerate(shown.x, 1) if i != number and x.shape == taken.shape}
    return next((f"it takes {name}" for name, x in others.items() if _near(taken, x, 1e-3)),
                "it does not take what its layer took in the forward pass")  # fmt: skip
