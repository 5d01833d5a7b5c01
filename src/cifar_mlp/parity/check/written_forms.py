"""What people write for a derivative and for dscores, as formulas that a gradient is compared with."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity.check.forward_pass import ForwardPass
from cifar_mlp.parity.check.relations import combination, sum_words

# Shape legend: N = examples, C = classes

CLOSE = 1e-6  # differences of a loss are not more exact


def formula_terms(z: Tensor, a: Tensor) -> dict[str, Tensor]:
    """Of what people write for a derivative at the input z, with the output a."""
    s, t, below = z.sigmoid(), z.tanh(), (z <= 0).double()
    density = torch.exp(-0.5 * z * z) / (2 * torch.pi) ** 0.5
    return {"1": torch.ones_like(z), "a": a, "a^2": a * a, "z": z, "z a": z * a, "z^2": z * z, "|a|": a.abs(),
            "s(z)": s, "s(z)^2": s * s, "z s(z)": z * s, "z s(z)^2": z * s * s, "s(a)": a.sigmoid(),
            "s(a)^2": a.sigmoid() ** 2, "tanh(z)": t, "tanh(z)^2": t * t, "exp(z)": z.exp(), "exp(-z)": (-z).exp(),
            "[z > 0]": 1 - below, "[z <= 0]": below, "[z <= 0] a": below * a, "[z <= 0] z": below * z,
            "[z <= 0] exp(z)": below * z.exp(), "density(z)": density, "z density(z)": z * density,
            "distribution(z)": torch.special.ndtr(z)}  # fmt: skip


def of_own_dscores(passed: ForwardPass, theirs: Tensor) -> Iterator[str]:
    """How the user's gradient in the scores (N, C) differs from that of the user's own loss."""
    right, p, scores = passed.dscores, passed.p, passed.scores
    labels, n, classes = passed.drawn.labels, *p.shape
    hot = one_hot(labels, classes).double()

    def jacobian(d: Tensor) -> Tensor:
        return p * (d - (d * p).sum(1, keepdim=True))

    softmax = {
        "softmax's derivative is missing: dscores is the gradient in the probabilities": (jacobian(theirs), right),
        "softmax is differentiated once too often": (theirs, jacobian(right)),
    }
    for words, (one, other) in softmax.items():
        c = float((one * other).sum() / other.square().sum())
        if float((one - c * other).norm()) <= CLOSE * float(one.norm()):
            yield words + f", {c:.4g} times" * (abs(c - 1) > CLOSE)
    of_p, own_of_p = (_times_p_minus_onehot(d, p, hot) for d in (theirs, right))
    if of_p and not own_of_p:
        words = f"dscores is (p - onehot) ({of_p}) / N, p_y the label's probability"
        yield f"{words}; is a factor of the loss that depends on p held fixed?"
    if words := _by_rows_and_columns(theirs, right, labels):
        yield words
    sums_to_0 = float(right.sum(1).norm()) <= CLOSE * float(right.norm())
    for words, where in (("the label's column", hot > 0), ("the columns of the other classes", hot == 0)):
        if float((theirs - right)[~where].norm()) <= CLOSE * float(right.norm()):
            more = "; it should be minus the sum of the others" if sums_to_0 and "label" in words else ""
            for values, so in ((theirs, "it is {:.4g} / N"), (theirs - right, "it is {:+.4g} / N off")):
                values = values[where] * n
                values = values * (float(values.abs().max()) > CLOSE * n * float(right.abs().max()))
                if float(values.std()) <= CLOSE * float(values.abs().max()):
                    yield f"dscores is wrong in {words} alone: {so.format(float(values.mean()))} everywhere{more}"
            c = float((theirs * right)[where].sum() / right[where].square().sum())
            if float((theirs - c * right)[where].norm()) <= CLOSE * float(right.norm()):
                yield f"dscores is wrong in {words} alone: it is {c:.4g} times the right one{more}"
            yield f"dscores is wrong in {words} alone{more}"
    q = scores.sigmoid()
    factors = {"1": torch.ones_like(p), "s(scores)": q, "s(scores)^2": q * q, "scores": scores, "p": p, "p^2": p * p,
               "tanh(scores)^2": scores.tanh() ** 2, "onehot": hot, "1 / p": 1 / p}  # fmt: skip
    if left_out := combination(right, {words: theirs * factor for words, factor in factors.items()}, CLOSE):
        yield f"dscores lacks a factor, ({sum_words(left_out)}): the derivative of what follows the scores is missing"
    of_label = (scores * hot).sum(1, keepdim=True) * torch.ones_like(p)
    others = hot == 0
    apart = {"1": theirs[others], "(s_j - s_y)": (theirs * (scores - of_label))[others]}
    if (factor := combination(right[others], apart, CLOSE)).keys() - {"1"}:
        yield f"dscores of the other classes lacks a factor, ({sum_words(factor)}): a derivative is left out"
    terms = {"p": p, "onehot": hot, "scores": scores, "s(scores)": scores.sigmoid(), "tanh(scores)": scores.tanh(),
             "1": torch.ones_like(p), "onehot / p": hot / p, "onehot scores": hot * scores, "p^2": p * p,
             "(its label's score)": of_label}  # fmt: skip
    if found := combination(theirs * n, terms, CLOSE):
        own = combination(right * n, terms, CLOSE)
        more = f"the loss's own differences give ({sum_words(own)}) / N" if own else "that is not the loss's gradient"
        yield f"dscores is ({sum_words(found)}) / N; {more}"
    if times := combination(theirs, {words: right * factor for words, factor in factors.items()}, CLOSE):
        yield f"dscores is the right one times ({sum_words(times)})"


def _times_p_minus_onehot(dscores: Tensor, p: Tensor, hot: Tensor) -> str:
    """By which polynomial in the label's probability p - onehot is multiplied, if it is by one other than 1."""
    p_y = (p * hot).sum(1)
    powers = {"1": torch.ones_like(p_y), "p_y": p_y, "p_y^2": p_y**2, "p_y^3": p_y**3}
    terms = {words: (p - hot) * power[:, None] for words, power in powers.items()}
    found = combination(dscores * len(p), terms, CLOSE)
    return sum_words(found) if found.keys() - {"1"} else ""


def _by_rows_and_columns(theirs: Tensor, right: Tensor, labels: Tensor) -> str:
    """By what each row and each column of the right one is multiplied, if that gives theirs."""
    if float(right.abs().min()) < 1e-4 * float(right.abs().max()):
        return ""
    left, sizes, other = torch.linalg.svd(theirs / right)
    if float(sizes[1]) > 10 * CLOSE * float(sizes[0]):
        return ""
    pivot = int(other[0].abs().argmax())
    rows, columns = left[:, 0] * sizes[0] * other[0, pivot], other[0] / other[0, pivot]
    said = []
    if float(rows.std()) > CLOSE * float(rows.norm()):
        by_class = {int(k): rows[labels == k] for k in labels.unique()}
        each, how = f"{float(rows.min()):.4g} to {float(rows.max()):.4g}", ""
        if all(float((few - few[0]).abs().max()) < 1e-4 for few in by_class.values()):
            each, how = ", ".join(f"class {k}: {float(few[0]):.4g}" for k, few in by_class.items()), "by their class: "
        said.append(f"the examples count {how}{each} times what they count in the loss")
    if float(columns.std()) > CLOSE * float(columns.norm()):
        said.append("the columns, the classes, are multiplied by " + ", ".join(f"{c:.4g}" for c in columns.tolist()))
    return "dscores: " + "; ".join(said) if said else ""
