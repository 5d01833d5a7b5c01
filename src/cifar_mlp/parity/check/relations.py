"""What relates a wrong tensor to the right one, in the words of the problem: 57 = N."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cifar_mlp.parity.check.layout import Drawn


def factor_words(c: float, drawn: Drawn) -> str:
    """What a gradient that is c times the right one lacks or has too much."""
    n, classes, d = len(drawn.labels), drawn.sizes[-1], drawn.sizes[0]
    known = {} if drawn.keep == 1 else {
        drawn.keep: "keep times the right one: dropout's division by the keep probability is missing",
        1 / drawn.keep: "1/keep times the right one: divided by the keep probability once too often",
    }  # fmt: skip
    known |= {
        0.0: "0: the gradient is never computed",
        -1.0: "-1 times the right one: the sign is reversed",
        2.0: "twice the right one",
        0.5: "half the right one",
        -2.0: "-2 times the right one",
        float(n): f"{n} times the right one = N: a 1/N is missing",
        -float(n): f"-{n} times the right one = -N: a 1/N is missing and the sign is reversed",
        1.0 / n: f"1/{n} of the right one = 1/N: divided by N once too often",
        1.0 / n**2: "1/N^2 of the right one: divided by N twice too often",
        float(n) ** 2: "N^2 times the right one: multiplied by N where it should be divided",
        2.0 * n: f"{2 * n} times the right one = 2N: a 1/N is missing and a factor 2 is too much",
        2.0 / n: "2/N of the right one",
        1.0 / classes: f"1/{classes} of the right one = 1/C: divided by the number of classes",
        float(classes): f"{classes} times the right one = C: multiplied by the number of classes",
        n / classes: "N/C times the right one: divided by the number of classes in place of examples",
        1.0 / (n * classes): "1/(N C) of the right one: divided by N and C as well",
        n / (n - 1): "N/(N-1) times the right one: divided by N - 1 in place of N",
        n / d: "N/D times the right one: divided by the number of features in place of examples",
    }
    for keep in {round(float(mask.double().mean()), 12) for mask in drawn.kept}:
        known.setdefault(keep, "the share of kept units times the right one")
    for i, width in enumerate(drawn.sizes[1:-1]):
        known.setdefault(
            n / width, f"N/{width} times the right one: divided by the width of layer {i + 1} in place of N"
        )
    if drawn.users_examples and drawn.users_examples != n:
        known[n / drawn.users_examples] = f"divided by {drawn.users_examples}, which is not this batch's N"
    for value, words in known.items():
        if abs(c - value) <= 1e-5 * max(abs(value), 1e-12):
            return words
    for whole in (1, 10, 32, 50, 64, 100, 128, 200, 256, 500, 1000):
        if abs(c - n / whole) <= 1e-6 * abs(c):
            return f"divided by {whole}, a fixed number, in place of N"
    return _times(c)


def _times(c: float) -> str:
    return f"{c:.5g} times the right one"


def combination(y: Tensor, terms: Mapping[str, Tensor], tolerance: float, most: int = 3) -> dict[str, float]:
    """The exact sum of the fewest multiples of named tensors: the factors by name; empty if there is none."""
    names = [name for name, x in terms.items() if float(x.norm()) > 0 and bool(torch.isfinite(x).all())]
    if not names:
        return {}
    columns = torch.stack([terms[name].reshape(-1) for name in names], 1)
    y = y.reshape(-1)
    columns, scale = columns / columns.norm(dim=0), columns.norm(dim=0)
    gram = columns.T @ columns
    new = [i for i in range(len(names)) if not bool((gram[i, :i].abs() > 1 - 1e-12).any())]  # not z s(z) where it is a
    names, columns, scale, gram = [names[i] for i in new], columns[:, new], scale[new], gram[new][:, new]
    along, size = columns.T @ y, float(y.norm())
    for count in range(1, min(most, len(y) - 2) + 1):
        chosen = torch.combinations(torch.arange(len(names)), count)
        systems = gram[chosen[:, :, None], chosen[:, None, :]]
        able = torch.linalg.det(systems) > 1e-9
        chosen, systems = chosen[able], systems[able]
        solved = torch.linalg.solve(systems, along[chosen][:, :, None])[:, :, 0]
        errors = ((columns[:, chosen] * solved).sum(2) - y[:, None]).norm(dim=0)
        if len(errors) and float(errors.min()) <= tolerance * size:
            best = int(errors.argmin())
            factors = (solved[best] / scale[chosen[best]]).tolist()
            return {names[i]: c for c, i in zip(factors, chosen[best].tolist(), strict=True)}
    return {}


def sum_words(factors: Mapping[str, float]) -> str:
    """A sum as people write it: 1 - a^2."""
    said = ""
    for name, c in sorted(factors.items(), key=lambda pair: pair[1] < 0):
        number = "" if abs(abs(c) - 1) <= 1e-5 else f"{abs(c):.4g}" + f" {name}" * (name != "1")
        said += (" - " if c < 0 else " + ") + (number or name)
    return said.removeprefix(" + ").strip()


def share_of(a: float, b: float, target: float, drawn: Drawn, part: str, base: Tensor) -> list[str]:
    """The data's and the penalty's share of a gradient, a (data) + b w, where the right one has 1 and ``target``."""
    n = len(drawn.labels)
    if target and abs(b - a * target) <= 1e-5 * abs(a * target) and abs(a - 1) > 1e-6:
        return [factor_words(a, drawn) + (", the penalty's part too" if part == "weight" else "")]
    said = [] if abs(a - 1) <= 1e-6 else ["the data's part is " + factor_words(a, drawn)]
    if abs(b - target) <= 1e-6 * max(abs(target), 1e-3):
        return said
    if not target:
        return [
            *said,
            "a bias must not have a penalty" if part == "bias" else "there should be no penalty, yet it is added",
        ]
    ratio = b / target
    words = {0.0: "the penalty is missing", 0.5: "the penalty's gradient is half: the derivative of w^2 is 2 w",
             2.0: "the penalty's gradient is twice the right one", -1.0: "the penalty has the wrong sign",
             1 / n: "the penalty's gradient is divided by N", float(n): "the penalty's gradient is multiplied by N",
             0.5 / n: "the penalty's gradient is divided by 2N", 4.0: "the penalty's gradient is 4 times the right one",
             0.25: "the penalty's gradient is a quarter of the right one",
             -0.5: "the penalty has the wrong sign and half its size"}  # fmt: skip
    norm = float(base.norm())
    words |= {0.5 / norm: "the penalty is that of the norm, not of its square",
              1 / norm: "the penalty is that of the norm, not of its square"}  # fmt: skip
    for value, text in words.items():
        if abs(ratio - value) <= 1e-5 * max(abs(value), 0.1):
            return [*said, text]
    if part == "bias":
        return [*said, f"the bias's penalty is {ratio:.4g} times the right one"]
    if target and abs(b * target) and abs(b - 2 * (target / 2) ** 2) < 1e-9:
        return [*said, "lambda is squared in the penalty's gradient"]
    return [*said, f"the penalty's gradient is {ratio:.4g} times the right one (lambda is fixed or scaled)"]


def one_factor(mine: list[Tensor], right: list[Tensor], drawn: Drawn, tolerance: float) -> str:
    """The factor that all gradients have alike, the penalty's part too; empty if there is none."""
    if any(g.shape != e.shape for g, e in zip(mine, right, strict=True)):
        return ""
    g, e = (torch.cat([x.reshape(-1) for x in tensors]) for tensors in (mine, right))
    c = float(g @ e / e.square().sum().clamp_min(1e-300))
    if abs(c - 1) <= 1e-6 or float((g - c * e).norm()) > tolerance * float(g.norm()):
        return ""
    words = factor_words(c, drawn)
    return f"every gradient is {words}{': scaled, or clipped by their norm' * (words == _times(c))}"


def misplaced(names: list[str], mine: list[Tensor], right: list[Tensor], tolerance: float) -> list[str]:
    """Of wrong gradients that are all the right ones of other parameters: in whose place each stands."""

    def near(g: Tensor, e: Tensor) -> bool:
        return g.shape == e.shape and float((g - e).norm()) <= tolerance * float(e.norm())

    said = []
    for name, g, e in zip(names, mine, right, strict=True):
        if not near(g, e):
            other = next((other for other, x in zip(names, right, strict=True) if near(g, x)), None)
            if other is None:
                return []
            said.append(f"{name}: it is the right gradient of {other}")
    return said


def relation(mine: Tensor, right: Tensor, factor: Callable[[float], str], tolerance: float = 1e-6,
             parameter: Tensor | None = None) -> str:  # fmt: skip
    """What relates a wrong tensor to the right one, or to a multiple of its parameter, if anything simple does."""
    if mine.shape != right.shape:
        return f"shape {tuple(mine.shape)}"
    size, largest = float(mine.norm()), float(mine.abs().max())
    if size == 0:
        return "0 everywhere"
    c = float((mine * right).sum() / right.square().sum().clamp_min(1e-300))
    if float((mine - c * right).norm()) <= tolerance * size:
        return factor(c) if abs(c - 1) > tolerance else ""
    if mine.numel() > 1 and float(mine.std()) <= 1e-9 * largest:
        return "the same number everywhere: it is summed over too much"
    off = mine - right
    if parameter is not None and mine.numel() > 1:
        c = float((mine * parameter).sum() / parameter.square().sum().clamp_min(1e-300))
        if float((mine - c * parameter).norm()) <= tolerance * size:
            return f"{c:.5g} times the parameter, the gradient of a penalty: the data's part is missing"
        c = float((off * parameter).sum() / parameter.square().sum().clamp_min(1e-300))
        if float((off - c * parameter).norm()) <= tolerance * float(off.norm()):
            how = "too much" if c > 0 else "missing"
            return f"{abs(c):.5g} times the parameter is {how}: the gradient of a penalty"
    on = right != 0
    c = float((mine * right).sum() / right.square().sum().clamp_min(1e-300))
    if not bool((mine[~on] == 0).any()) and float((mine - c * right)[on].norm()) <= tolerance * size:
        return "it is not 0 where the right one is: a mask is missing"
    wrong = off.abs() > tolerance * right.abs().max()
    if wrong.all():
        return ""
    where = f"wrong in {int(wrong.sum())} of {wrong.numel()} entries"
    for dim, what in ((0, "columns"), (1, "rows")) if mine.dim() == 2 else ():
        lines = wrong.any(dim).nonzero().reshape(-1).tolist()
        if len(lines) <= (wrong.shape[1 - dim]) // 2:
            where = f"wrong in {what} {', '.join(map(str, lines))} only"
    own = None if parameter is None else parameter[wrong]
    more = relation(mine[wrong], right[wrong], factor, tolerance, own) if wrong.any() else ""
    return f"{where}: {more}" if more else where


def unequal_counts(per_example: Tensor, whole: Tensor, n: int, tolerance: float) -> str:
    """How often each example counts, where any such weights of the columns (numbers, N) give the whole (numbers,)."""
    solved = torch.linalg.lstsq(per_example, whole[:, None], driver="gelsd")
    weights = solved.solution[:, 0]
    rest = float((per_example @ weights - whole).norm())
    alike = float((weights - 1).abs().max()) < 1e-5
    if alike or not int(solved.rank) == n < len(whole) or rest > tolerance * float(whole.norm()):
        return ""
    return f"the examples do not count alike: {_counts(weights)}"


def _counts(weights: Tensor) -> str:
    values = weights.round(decimals=5).add(0.0).unique().tolist()
    if len(values) > 4:
        return f"{values[0]:.4g} to {values[-1]:.4g} times"
    rows = {value: ((weights - value).abs() < 1e-5).nonzero().reshape(-1).tolist() for value in values}
    few = {value: f" (rows {', '.join(map(str, found))})" if len(found) < 5 else "" for value, found in rows.items()}
    return ", ".join(f"{len(found)} count {value:.4g} times{few[value]}" for value, found in rows.items())
