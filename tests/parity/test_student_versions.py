"""Wrong backward passes and right ones in the styles that people write; and the power to tell faults apart."""

import re
from collections import namedtuple
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from cifar_mlp.parity import check, n_layer
from cifar_mlp.parity.check.forward_pass import Architecture, ForwardPass
from cifar_mlp.parity.check.layout import Drawn, Layout
from cifar_mlp.parity.evidence.rows import normwise_error
from cifar_mlp.parity.faults import FAULTS, planted
from cifar_mlp.parity.network import Activation, Network
from tests.parity.student_versions import BASES, LOSS_WRONG, RIGHT, WRONG

pytestmark = pytest.mark.parity

N, D, H, K, C = 57, 11, 8, 7, 5
PAGE = (Path(__file__).parents[2] / "docs" / "gradient_checker.md").read_text()
TWO_SHAPES = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
DEEP_SHAPES = {"w1": (D, H), "b1": (H,), "w2": (H, K), "b2": (K,), "w3": (K, C), "b3": (C,)}


def zeros(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    return {name: np.zeros(shape) for name, shape in shapes.items()}


def tensors(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def parameters(base: str) -> Any:
    deep = list(zeros(DEEP_SHAPES).values())
    return {
        "deep": list(zip(deep[::2], deep[1::2], strict=True)),
        "batch": zeros(TWO_SHAPES | {"gamma1": (H,), "beta1": (H,)}),
        "layer": tensors({"w1": (D, H), "b1": (H,), "g1": (H,), "beta1": (H,), "w2": (H, C), "b2": (C,)}),
        "drop": deep,
        "columns": zeros({"W1": (H, D), "b1": (H, 1), "W2": (C, H), "b2": (C, 1)}),
        "leaky": namedtuple("Six", DEEP_SHAPES)(**tensors(DEEP_SHAPES)),
    }.get(base, zeros(TWO_SHAPES))


def report_of(base: str, changes: list[tuple[str, str]], options: dict[str, Any]) -> check.Report:
    source = BASES[base]
    for before, after in changes:
        assert source.count(before) == 1
        source = source.replace(before, after)
    space: dict[str, Any] = {}
    exec(source, space)
    inputs, labels = np.zeros((N, D)), np.arange(N) % C
    if base in ("layer", "leaky"):
        inputs, labels = torch.from_numpy(inputs), torch.from_numpy(labels)
    if base == "columns":
        inputs, labels = inputs.T.copy(), np.eye(C)[labels].T.copy()
    options = {"dropout": 0.25} if base == "drop" else options
    return check.gradients(space["mine"], parameters(base), inputs, labels, regularization=0.05, **options)


FIRST = {wrong[0]: index for index, wrong in reversed(list(enumerate(WRONG)))}  # of each network
OFTEN = {*FIRST.values(), *range(0, len(WRONG), 3)}


@pytest.mark.parametrize(
    ("base", "before", "after", "words"),
    [pytest.param(*wrong, id=str(index), marks=() if index in OFTEN else pytest.mark.long)
     for index, wrong in enumerate(WRONG)],
)  # fmt: skip
def test_a_wrong_one_is_found_and_its_cause_named(base: str, before: str, after: str, words: str):
    report = report_of(base, [(before, after)], {})
    assert report.verdict == "wrong"
    assert words in report.cause


@pytest.mark.parametrize(("base", "changes", "options"), RIGHT, ids=range(len(RIGHT)))
def test_no_right_one_is_accused(base: str, changes: list[tuple[str, str]], options: dict[str, Any]):
    report = report_of(base, changes, options)
    assert report.verdict == "right"
    assert any("float32" in note for note in report.notes) == any("float32" in after for _, after in changes)


@pytest.mark.parametrize(("before", "after", "words"), LOSS_WRONG, ids=[row[2] for row in LOSS_WRONG])
def test_a_wrong_loss_beside_right_gradients_is_named(before: str, after: str, words: str):
    report = report_of("two", [(before, after)], {})
    assert report.verdict == "loss wrong"
    assert words in report.cause


SMOOTH = "(0.9 * np.eye(5)[y] + 0.1 / 5)"


def test_smoothed_labels_are_another_function_and_a_loss_without_them_is_named():
    loss = ("-np.log(p[np.arange(N), y]).sum() / N", f"-({SMOOTH} * np.log(p)).sum() / N")
    report = report_of("two", [loss, ("ds[np.arange(N), y] -= 1", f"ds -= {SMOOTH}")], {})
    assert (report.verdict, report.causes) == ("another function", ["labels smoothed by 0.1"])
    report = report_of("two", [loss], {})
    said = "the loss's value is wrong: labels smoothed by 0.1; if you mean it so, change the gradients instead"
    assert (report.verdict, report.causes) == ("loss wrong", [said])


def test_of_a_loss_that_is_unknown_its_own_differences_say_where_it_is_wrong():
    drop = ("h = np.maximum(0, z1)", "U = (np.random.rand(*z1.shape) < 0.7) / 0.7; h = np.maximum(0, z1) * U")
    assert report_of("two", [drop, ("dh = ds @ W2.T", "dh = ds @ W2.T * U")], {}).verdict == "another function"
    scaled = [drop, ("dh = ds @ W2.T", "dh = ds @ W2.T * U"), ("ds = ds / N", "ds = 2 * ds / N")]
    report = report_of("two", scaled, {})
    assert report.verdict == "wrong"
    assert report.cause.endswith("by its own differences dscores is twice the right one")
    words = {tensor.name: tensor.words for tensor in report.tensors}
    assert (words["W2"], words["b2"]) == ("twice the right one", "twice the right one")


def test_a_network_that_is_no_chain_of_matrices_is_judged_by_its_own_loss():
    scaled = BASES["two"].replace("s = h @ W2 + b2", 's = (h @ W2 + b2) * params["t"]')
    scaled = scaled.replace("ds = ds / N", 'ds = ds / N; gt = (ds * (h @ W2 + b2)).sum(); ds = ds * params["t"]')
    scaled = scaled.replace('"b2": gb2}', '"b2": gb2, "t": np.array([gt])}')

    def report(source: str) -> check.Report:
        space: dict[str, Any] = {}
        exec(source, space)
        return check.gradients(space["mine"], zeros(TWO_SHAPES | {"t": (1,)}), np.zeros((N, D)), np.arange(N) % C)

    right = report(scaled)
    assert right.verdict == "right"
    alone = "t of the parameters belong to no layer of a chain: judged by differences of its own loss alone"
    assert right.notes[-1] == alone
    wrong = report(scaled.replace("gW2 = h.T @ ds + 2 * reg * W2", "gW2 = h.T @ ds"))
    assert wrong.cause == "W2: 0.1 times the parameter is missing: the gradient of a penalty"
    written = report(scaled.replace("N = X.shape[0]", "N = X.shape[0]; W1 += 1"))
    assert (written.verdict, written.cause[:31]) == ("wrong", "the argument W1 was written int")
    with pytest.raises(ValueError, match=r"do not follow one another; with such numbers it raised"):
        check.gradients(lambda p, x, y, reg: x @ p[1], [np.zeros((D, H)), np.zeros((C, H))], np.zeros((N, D)), [0] * N)


def test_the_mask_of_another_layer_is_named_where_it_fits():
    source = BASES["drop"].replace("dd1 * masks[0]", "dd1 * masks[1]")
    space: dict[str, Any] = {}
    exec(source, space)
    params = [np.zeros(shape) for shape in ((D, H), (H,), (H, H), (H,), (H, C), (C,))]
    report = check.gradients(space["mine"], params, np.zeros((N, D)), np.arange(N) % C, dropout=0.25)
    assert report.cause == "layer 1 takes the mask of dropout of layer 2"


def test_gelu_by_tanh_is_gelu_too():
    a = "0.5 * z1 * (1 + np.tanh((2 / np.pi) ** 0.5 * (z1 + 0.044715 * z1**3)))"
    u, slope = "(2 / np.pi) ** 0.5 * (z1 + 0.044715 * z1**3)", "(2 / np.pi) ** 0.5 * (1 + 3 * 0.044715 * z1**2)"
    forward = ("h = np.maximum(0, z1)", f"h = {a}")
    right = f"dz = dh * (0.5 * (1 + np.tanh({u})) + 0.5 * z1 * (1 - np.tanh({u}) ** 2) * {slope})"
    backward = "dz = dh * (z1 > 0)"
    report = report_of("two", [forward, (backward, right)], {"activation": "gelu"})
    assert report.verdict == "right"
    report = report_of("two", [forward, (backward, right.replace("3 * 0", "0"))], {"activation": "gelu"})
    assert report.cause == "the factor of z^2 in gelu's inner derivative: 0.044715, not 3 * 0.044715"


def test_a_loss_that_fits_by_chance_is_not_taken_for_a_known_one():
    firsts, bound = list[float](), 0.0

    def mine(params: Any, X: Any, y: Any, reg: float) -> Any:
        firsts.append(float(X[0, 0]))
        loss, found = right(params, X, y, 0.0)
        return loss / (C if firsts[-1] > bound else 3.3), found

    space: dict[str, Any] = {}
    exec(BASES["two"], space)
    right = space["mine"]
    arguments = (zeros(TWO_SHAPES), np.zeros((N, D)), np.arange(N) % C, 0.0)
    always = check.gradients(mine, *arguments, penalty="none")
    bound = sum(sorted(set(firsts[:4]))) / 2  # between those of the two problems
    sometimes = check.gradients(mine, *arguments, penalty="none")
    assert (always.verdict, sometimes.verdict) == ("loss wrong", "loss wrong")
    assert ["number of classes" in report.cause for report in (always, sometimes)] == [min(firsts[:4]) > 0, False]


def test_the_weights_of_another_layer_are_named_where_they_fit():
    source = BASES["deep"].replace("(delta @ w.T)", "(delta @ layers[2 if i == 1 else i][0].T)")
    space: dict[str, Any] = {}
    exec(source, space)
    layers = [(np.zeros(shape), np.zeros(shape[1])) for shape in ((D, H), (H, H), (H, H), (H, C))]
    report = check.gradients(space["mine"], layers, np.zeros((N, D)), np.arange(N) % C)
    assert report.cause == "da1 takes W3 where it needs W2"
    assert report.notes[-1].startswith("it works only with its own sizes: with [11, 8, 7, 9, 5] it raised ValueError")


def affine(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b, (x, w)


class Accumulating:
    """Gradients that are added to those of the last call."""

    def __init__(self) -> None:
        self.params, self.grads = zeros(TWO_SHAPES), dict.fromkeys(TWO_SHAPES, 0.0)

    def loss(self, X: Any, y: Any, reg: float) -> Any:
        space: dict[str, Any] = {}
        exec(BASES["two"], space)
        loss, found = space["mine"](self.params, X, y, reg)
        self.grads = {name: self.grads[name] + gradient for name, gradient in found.items()}
        return loss, self.grads


def test_what_an_object_keeps_from_call_to_call_is_found():
    network = Accumulating()
    report = check.gradients(network, np.zeros((N, D)), np.arange(N) % C, 0.05)
    assert report.causes == [
        "a second call adds its gradients to those of the first: they must begin at 0 at every call"
    ]
    assert network.grads == dict.fromkeys(TWO_SHAPES, 0.0)


LAYERS = {
    "ones for the upstream gradient": (affine, lambda dy, c: (0 * dy + 1) @ c[1].T, "upstream gradient is not used"),
    "transposed": (affine, lambda dy, c: (dy @ c[1].T, dy.T @ c[0], dy.sum(0)), "w: shape (3, 4), expected (4, 3)"),
    "a mean": (affine, lambda dy, c: (dy @ c[1].T, c[0].T @ dy / 6, dy.sum(0)), "w: 1/6 of the right one"),
    "summed over all": (affine, lambda dy, c: (dy @ c[1].T, c[0].T @ dy, dy.sum() + 0 * dy[0]), "b: the same number"),
    "no mask": (lambda x: (np.maximum(x, 0), x), lambda dy, x: dy, "dx: mask skipped"),
    "the output": (lambda x: (np.tanh(x),) * 2, lambda dy, y: dy * (1 - np.tanh(y) ** 2), "takes y, the output"),
    "not summed": (
        lambda x: (x - np.log(np.exp(x).sum(1, keepdims=True)),) * 2,
        lambda dy, y: dy - np.exp(y),
        "x: it is written as dy - exp(y), and should be dy - exp(y) sum(dy) of the row",
    ),
    "of the upstream": (
        lambda x: (np.tanh(x), x),
        lambda dy, x: 1 - np.tanh(dy) ** 2,
        "the derivative taken of dy, which is not multiplied in",
    ),
    "a root": (lambda x: (np.log(x), x), lambda dy, x: 2 * dy / x, "twice the right one"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_wrong_layer_s_cause_is_named(name: str):
    forward, backward, words = LAYERS[name]
    arrays = [np.ones((6, 4)), np.ones((4, 3)), np.ones(3)][: 3 if forward is affine else 1]
    if name.startswith("ones"):
        report = check.layer(lambda x: (x @ np.ones((4, 3)), (0, np.ones((4, 3)))), backward, arrays[0])
    else:
        report = check.layer(forward, backward, *arrays)
    assert report.verdict == "wrong"
    assert words in report.cause


def filled(change: Any = lambda gradients: gradients, dtype: torch.dtype = torch.float64) -> Any:
    """A module whose .grad is that of its loss, changed."""
    module = torch.nn.Sequential(torch.nn.Linear(D, H), torch.nn.ReLU(), torch.nn.Linear(H, C)).to(dtype)
    inputs, labels = torch.randn(N, D, generator=torch.Generator().manual_seed(1)).to(dtype), torch.arange(N) % C
    loss = torch.nn.functional.cross_entropy(module(inputs), labels)
    loss = loss + 0.05 * sum(p.square().sum() for p in module.parameters() if p.dim() > 1)
    gradients = change(
        dict(zip(dict(module.named_parameters()), torch.autograd.grad(loss, list(module.parameters())), strict=True))
    )
    for name, parameter in module.named_parameters():
        parameter.grad = gradients[name]
    return module, inputs, labels


@pytest.mark.parametrize(("changed", "cause"), [(None, ""), (2, "gamma1: 1/57 of the right one = 1/N")])
def test_a_list_may_hold_a_normalization_s_scale_and_shift(changed: int | None, cause: str):
    space: dict[str, Any] = {}
    exec(BASES["batch"], space)
    names = ("W1", "b1", "gamma1", "beta1", "W2", "b2")

    def mine(values: Any, *others: Any) -> Any:
        loss, gradients = space["mine"](dict(zip(names, values, strict=True)), *others)
        answer = [gradients[name] for name in names]
        if changed is not None:
            answer[changed] = answer[changed] / N
        return loss, answer

    values = [np.zeros(shape) for shape in ((D, H), H, H, H, (H, C), C)]
    report = check.gradients(mine, values, np.zeros((N, D)), np.arange(N) % C, 0.05)
    assert report.verdict == ("wrong" if cause else "right")
    assert report.cause.startswith(cause)


def test_a_list_may_hold_all_weights_before_all_biases():
    space: dict[str, Any] = {}
    exec(BASES["two"], space)
    names = ("W1", "W2", "b1", "b2")

    def mine(values: Any, *others: Any) -> Any:
        loss, gradients = space["mine"](dict(zip(names, values, strict=True)), *others)
        return loss, [gradients[name] for name in names]

    values = [np.zeros(shape) for shape in ((D, C), (C, C), C, C)]  # biases of one size are no scale and shift
    assert check.gradients(mine, values, np.zeros((N, D)), np.arange(N) % C, 0.05).verdict == "right"


def test_a_list_with_more_than_a_chain_is_judged_by_its_own_loss():
    def mine(values: Any, inputs: Any, labels: Any, regularization: float) -> Any:
        return sum((value**2).sum() for value in values) / 2, list(values)

    values = [np.zeros(shape) for shape in ((D, H), H, H, H, H, (H, C), C)]
    assert check.gradients(mine, values, np.zeros((N, D)), np.arange(N) % C, 0.05).right


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_module_s_filled_gradients_are_judged(dtype: torch.dtype):
    assert check.gradients(*filled(dtype=dtype), 0.05).verdict == "right"
    report = check.gradients(*filled(lambda found: found | {"0.bias": found["0.bias"] * N}, dtype))
    assert report.cause == "0.bias: the data's part is 57 times the right one = N: a 1/N is missing"
    rows = torch.ones(H, 1).index_fill_(0, torch.tensor([2]), 3.0)
    (weight, *_) = check.gradients(*filled(lambda found: found | {"0.weight": found["0.weight"] * rows}, dtype)).tensors
    assert weight.words == "wrong in rows 2 only: 3 times the right one"


class Silu(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Any) -> Any:
        context.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(context: Any, dy: Any) -> Any:
        (x,) = context.saved_tensors
        s = torch.sigmoid(x)
        return dy * (s + x * s * (1 - s))


class HalfOfIt(Silu):
    @staticmethod
    def backward(context: Any, dy: Any) -> Any:
        return dy * torch.sigmoid(context.saved_tensors[0])


def test_a_function_of_autograd_s_kind_is_judged():
    assert check.layer(Silu, torch.ones(6, 4).double()).verdict == "right"
    assert check.layer(HalfOfIt, torch.ones(6, 4).double()).cause == "dx: SiLU: second term missing"


PROBLEMS = [
    (activation, kind, dropout)
    for activation, kind, dropout in product(get_args(Activation), (None, "batch", "layer"), (0.0, 0.25))
]


def drawn_problem(kind: str | None, dropout: float, seed: int) -> Drawn:
    shapes = dict(DEEP_SHAPES) | (
        {f"{p}{i}": (w,) for i, w in ((1, H), (2, K)) for p in ("gamma", "beta")} if kind else {}
    )
    layout = Layout(zeros(shapes), np.zeros((29, D)), np.arange(29) % C)
    return layout.draw(seed, None, dropout)


SEEN_ELSEWHERE = {  # equal to the right one on drawn numbers; each has a case of its own
    "mask on at exactly zero": "a unit exactly at its kink",
    "softmax without the shift": "scores near 800",
    "batch norm: batch moments in evaluation": "evaluation is not trained",
    "batch norm: not divided in evaluation": "evaluation is not trained",
    "targets rounded to their largest class": "the labels are classes",
    "residual: way around forgotten": "no block",
    "residual: way around counted twice": "no block",
}


def test_no_two_planted_faults_coincide_on_the_drawn_numbers():
    """Two that did would be a case without power: the checker could not tell them apart."""
    caught = set()
    for seed, (activation, kind, dropout) in product((1, 2), PROBLEMS[1::2]):  # those with dropout have every fault
        drawn = drawn_problem(kind, dropout, seed)

        network = ForwardPass(drawn, Architecture(activation, kind, dropout=dropout)).network
        network = network._replace(activation=activation, dropout=dropout)

        def numbers(drawn: Drawn = drawn, network: Network = network) -> torch.Tensor:
            loss, found = n_layer.loss_and_gradients(network, drawn.inputs, drawn.labels, 0.05, kept=drawn.kept)
            return torch.cat([tensor.reshape(-1) for tensor in (loss, *found.values())])

        found = {"nothing": numbers()}
        for name in (name for name, fault in FAULTS.items() if "float64" in fault.dtypes):
            with planted(name):
                result = numbers()
            if normwise_error(result, found["nothing"]) > 1e-9:
                found[name] = result
        distances = torch.cdist(*[torch.stack(list(found.values()))] * 2, compute_mode="donot_use_mm_for_euclid_dist")
        near = (distances < 1e-9 * float(found["nothing"].norm())).tolist()
        assert not [(a, b) for (i, a), (j, b) in combinations(enumerate(found), 2) if near[i][j]]
        caught |= found.keys()
    assert {name for name, fault in FAULTS.items() if "float64" in fault.dtypes} - caught == SEEN_ELSEWHERE.keys()


EXAMPLE = re.search(r"```python\n(import numpy.*?)```", PAGE, re.S)
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+?) \| (.+?) \|$", PAGE, re.M)


def test_the_page_s_ten_wrong_backward_passes_get_the_answers_that_it_shows():
    assert EXAMPLE is not None
    assert len(ROWS) == 10
    found = []
    for before, after, *_ in ROWS:
        assert EXAMPLE[1].count(before) == 1
        space: dict[str, Any] = {}
        exec(EXAMPLE[1].replace(before, after), space)
        report = check.gradients(space["loss_and_gradients"], zeros(TWO_SHAPES), np.zeros((N, D)), np.arange(N) % C)
        wrong = ", ".join(tensor.name for tensor in report.tensors if not tensor.right)
        found.append((before, after, wrong or "the loss", report.cause))
    assert found == ROWS
