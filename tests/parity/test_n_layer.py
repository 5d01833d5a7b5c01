"""Hand-derived gradients of every network that MLP can build, against autograd and central differences."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from agreement import DEVICES, EXACT, SINGLE, as_function, assert_close, assert_plain
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from cifar_mlp.models.mlp import MLP
from cifar_mlp.parity import two_layer
from cifar_mlp.parity.faults import planted
from cifar_mlp.parity.n_layer import loss_and_gradients
from cifar_mlp.parity.network import Network, read_module, read_state_dict

pytestmark = pytest.mark.parity

N, D, C = 9, 8, 4
LAMBDA = 0.07
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh")
NORMALIZATIONS = ("none", "batch", "layer")
HIDDEN = ([], [7], [7, 6, 5])


def draw_mlp(
    hidden: Sequence[int],
    activation: str = "relu",
    normalization: str = "none",
    dropout: float = 0.0,
    sizes: tuple[int, int] = (D, C),
    blocks: int = 0,
) -> MLP:
    """A network with no tensor left at 0 or 1, which could hide a mistake."""
    network = MLP(*sizes, hidden, activation, dropout, normalization, residual_blocks=blocks, expansion=2).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.6)
        for name, buffer in network.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 2.0)
    return network


def draw_data(num_examples: int = N, num_features: int = D, num_classes: int = C) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(num_examples, num_features, dtype=torch.float64)
    return inputs, torch.randint(0, num_classes, (num_examples,))


def draw_kept(network: MLP, num_examples: int, device: str = "cpu") -> list[Tensor]:
    """The masks that MLP's own dropout draws from the same seed, one per layer."""
    torch.manual_seed(3)
    ones = [
        torch.ones(num_examples, layer.affine.out_features, dtype=torch.float64, device=device)
        for layer in network.hidden
    ]
    return [layer.dropout(one) > 0 for layer, one in zip(network.hidden, ones, strict=True)]


def autograd(
    network: MLP, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Loss, gradients, and for every bias before a batch normalization the size of its cancelling terms.

    Subtracting the mean removes such a bias, so its gradient is zero up to rounding: a sum over examples that cancels,
    judged by the sum of absolute values.
    """
    affine_outputs: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, z, name=name: affine_outputs.update({name: z}))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
    ]
    torch.manual_seed(3)
    scores = network(inputs)
    for hook in hooks:
        hook.remove()
    affines = [module for module in network.modules() if isinstance(module, nn.Linear)]
    loss = functional.cross_entropy(scores, labels)
    loss = loss + regularization * sum(affine.weight.square().sum() for affine in affines)
    named, modules = dict(network.named_parameters()), dict(network.named_modules())
    found = torch.autograd.grad(loss, [*named.values(), *affine_outputs.values()])
    gradients = dict(zip(named, found, strict=False))
    scales = {
        f"{name}.bias": dz.abs().sum(0)
        for name, dz in zip(affine_outputs, found[len(named) :], strict=True)
        if network.training and isinstance(modules.get(name.replace("affine", "normalization")), nn.BatchNorm1d)
    }
    return loss.detach(), gradients, scales


def assert_agrees_with_autograd(
    network: MLP,
    inputs: Tensor,
    labels: Tensor,
    kept: Sequence[Tensor] = (),
    regularization: float = LAMBDA,
    limit: float = EXACT,
) -> None:
    ours, mine = loss_and_gradients(
        read_module(network), inputs, labels, regularization, training=network.training, kept=kept
    )
    theirs, its, scales = autograd(network.double(), inputs.double(), labels, regularization)
    assert_close("loss", ours, theirs, limit)
    assert list(mine) == [name for name, _ in network.named_parameters()]
    for name in its:
        assert_close(name, mine[name], its[name], limit, scales.get(name))


GRID = list(itertools.product(HIDDEN, ACTIVATIONS, NORMALIZATIONS, [0.0, 0.3]))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("hidden", "activation", "normalization", "dropout"), GRID)
def test_every_network_agrees_with_autograd(hidden, activation, normalization, dropout, training, device):
    network = draw_mlp(hidden, activation, normalization, dropout).to(device).train(training)
    inputs, labels = (tensor.to(device) for tensor in draw_data())
    kept = draw_kept(network, N, device) if dropout and training else []
    assert all(mask.any() and not mask.all() for mask in kept)
    assert_agrees_with_autograd(network, inputs, labels, kept)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("normalization", "dropout"), list(itertools.product(NORMALIZATIONS, [0.0, 0.3])))
def test_residual_blocks_agree_with_autograd(normalization, dropout, training):
    network = draw_mlp([7, 6], "silu", normalization, dropout, blocks=2).train(training)
    kept = draw_kept(network, N) if dropout and training else []
    assert_agrees_with_autograd(network, *draw_data(), kept)


def test_two_labels_agree_with_autograd():
    network, (inputs, labels) = draw_mlp([7], "gelu", "batch"), draw_data()
    first, second = (functional.one_hot(each, C).double() for each in (labels, labels.flip(0)))
    targets = 0.3 * first + 0.7 * second
    assert_agrees_with_autograd(network, inputs, targets)


@st.composite
def architectures(draw: st.DrawFn) -> dict[str, object]:
    return {
        "hidden": draw(st.lists(st.integers(1, 9), max_size=4)),
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "normalization": draw(st.sampled_from(["none", "layer"])),
        "sizes": (draw(st.integers(1, 9)), draw(st.integers(1, 6))),
        "blocks": draw(st.integers(0, 2)),
    }


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    architecture=architectures(),
    num_examples=st.integers(1, 8),
    scale=st.sampled_from([0.0, 1.0, 30.0]),
    seed=st.integers(0, 10_000),
)
def test_any_architecture_agrees_with_autograd(architecture, num_examples, scale, seed):
    """Inputs that are all zero, ordinary or large.

    Batch normalization is tested above only: a unit that is constant over the batch divides rounding by sqrt(1e-5),
    and the results of both sides are noise.
    """
    torch.manual_seed(seed)
    network = draw_mlp(**architecture | {"blocks": architecture["blocks"] if architecture["hidden"] else 0})
    inputs, labels = draw_data(num_examples, *architecture["sizes"])
    ours, mine = loss_and_gradients(read_module(network), scale * inputs, labels, LAMBDA)
    theirs, its, _ = autograd(network, scale * inputs, labels, LAMBDA)
    assert_close("loss", ours, theirs, EXACT)
    # the data gradient of a confident network cancels: judged by the largest gradient of the network
    largest = max(gradient.norm() for gradient in its.values())
    for name in its:
        assert (mine[name] - its[name]).norm() <= EXACT * largest, name


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradcheck(activation, normalization):
    network = read_module(draw_mlp([5, 3], activation, normalization))
    inputs, labels = draw_data(6)
    names = [name for name, _ in network.named_tensors()]

    def rebuilt(tensors: Sequence[Tensor]) -> Network:
        moments = {n: torch.zeros(w) for i, w in enumerate((5, 3)) for n in running(i)}
        state = dict(zip(names, tensors, strict=True)) | (
            {n: m.double() for n, m in moments.items()} if normalization == "batch" else {}
        )
        return read_state_dict(state, activation)

    def value(*tensors: Tensor) -> Tensor:
        return loss_and_gradients(rebuilt(tensors), inputs, labels, LAMBDA)[0]

    def derivative(dloss: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        gradients = loss_and_gradients(rebuilt(tensors), inputs, labels, LAMBDA)[1]
        return tuple(dloss * gradient for gradient in gradients.values())

    leaves = [tensor.clone().requires_grad_() for _, tensor in network.named_tensors()]
    assert torch.autograd.gradcheck(as_function(value, derivative), leaves, atol=1e-7, rtol=1e-6)


def running(index: int) -> tuple[str, str]:
    return f"hidden.{index}.normalization.running_mean", f"hidden.{index}.normalization.running_var"


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_float32_agrees_with_float64(normalization):
    network = draw_mlp([55, 31], "gelu", normalization, sizes=(101, 10)).float()
    inputs, labels = draw_data(64, 101, 10)
    assert_agrees_with_autograd(network, inputs.float(), labels, limit=SINGLE)


def test_one_hidden_layer_is_the_two_layer_network():
    network = read_module(draw_mlp([7]))
    inputs, labels = draw_data()
    loss, gradients = loss_and_gradients(network, inputs, labels, LAMBDA)
    (hidden,), output = network.hidden, network.output
    parameters = two_layer.Parameters(hidden.affine.weight.T, hidden.affine.bias, output.weight.T, output.bias)
    their_loss, theirs = two_layer.loss_and_gradients(parameters, inputs, labels, LAMBDA)
    assert_close("loss", loss, their_loss, EXACT)
    for mine, its in zip(gradients.values(), theirs, strict=True):
        assert_close("gradient", mine, its.T if its.dim() == 2 else its, EXACT)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_half_precision_keeps_its_dtype(normalization, dtype):
    network = draw_mlp([7, 6], "silu", normalization).to(dtype)
    inputs, labels = draw_data()
    loss, gradients = loss_and_gradients(read_module(network), inputs.to(dtype), labels, LAMBDA)
    assert {loss.dtype, *(gradient.dtype for gradient in gradients.values())} == {dtype}
    _, its, scales = autograd(network.double(), inputs.to(dtype).double(), labels, LAMBDA)
    for name, theirs in its.items():
        assert_close(name, gradients[name], theirs, 40 * torch.finfo(dtype).eps, scales.get(name))


def test_no_graph_is_built_and_nothing_given_is_changed():
    network = draw_mlp([7, 6], "gelu", "batch", 0.3)
    inputs, labels = draw_data()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    kept = draw_kept(network, N)
    loss, gradients = loss_and_gradients(read_module(network), inputs.requires_grad_(), labels, LAMBDA, kept=kept)
    assert_plain(loss, *gradients.values())
    live = read_module(network)._replace(hidden=(), output=network.output, dropout=0.0)  # leaves with grad
    assert_plain(*loss_and_gradients(live, torch.zeros(N, 6).double(), labels)[1].values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_inference_mode_and_autocast():
    network, (inputs, labels) = draw_mlp([7], "tanh", "layer"), draw_data()
    expected, _ = loss_and_gradients(read_module(network), inputs, labels, LAMBDA)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        loss, gradients = loss_and_gradients(read_module(network), inputs, labels, LAMBDA)
    assert torch.equal(loss, expected)
    assert all(gradient.dtype == torch.float64 for gradient in gradients.values())


# ---- reading a network


def test_state_dict_reads_as_the_module_does():
    network = draw_mlp([7, 6], "silu", "batch", 0.2)
    ours, theirs = read_state_dict(network.state_dict(), "silu", 0.2), read_module(network)
    assert (ours.activation, ours.dropout) == (theirs.activation, theirs.dropout) == ("silu", 0.2)
    pairs = zip(ours.named_tensors(), theirs.named_tensors(), strict=True)
    assert all(name == its and torch.equal(mine, tensor) for (name, mine), (its, tensor) in pairs)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("missing", lambda state: state.pop("output.bias")),
        ("missing", lambda state: state.pop("hidden.0.affine.bias")),
        ("no others, not extra", lambda state: state.update(extra=torch.zeros(1))),
    ],
)
def test_the_state_of_another_module_is_refused(message, change):
    state = dict(draw_mlp([7]).state_dict())
    change(state)
    with pytest.raises(ValueError, match=message):
        read_state_dict(state)


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("module must use one of", nn.ELU()),
        ("negative_slope = 0.01", nn.LeakyReLU(0.2)),
        ("approximate = none", nn.GELU("tanh")),
    ],
)
def test_activation_without_a_formula_is_refused(message, part):
    network = draw_mlp([7])
    network.hidden[0].activation = part
    with pytest.raises(ValueError, match=message):
        read_module(network)


def test_other_options_are_refused():
    network = draw_mlp([7], "relu", "layer")
    network.hidden[0].normalization.eps = 1e-3
    with pytest.raises(ValueError, match="eps = 1e-05"):
        read_module(network)
    with pytest.raises(ValueError, match="activation must be one of"):
        read_state_dict(draw_mlp([7]).state_dict(), "elu")
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\)"):
        read_state_dict(draw_mlp([7]).state_dict(), dropout=1.0)


def test_mixed_hidden_layers_are_refused():
    network = draw_mlp([7, 6])
    network.hidden[1].activation = nn.Tanh()
    with pytest.raises(ValueError, match="the same activation and dropout in every hidden layer"):
        read_module(network)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (r"labels must have shape", {"labels": torch.zeros(N - 1, dtype=torch.int64)}),
        (r"labels must have shape \(9, 4\), \(N, C\), targets", {"labels": torch.zeros(N, 3, dtype=torch.float64)}),
        (r"labels must be of the dtype of inputs", {"labels": torch.zeros(N, C)}),
        (r"inputs must have shape \(9, 8\)", {"inputs": torch.zeros(N, D + 1, dtype=torch.float64)}),
        (r"inputs must hold at least one", {"inputs": torch.zeros(0, D, dtype=torch.float64)}),
        (r"hidden.0.affine.weight must be of the dtype of inputs", {"inputs": torch.zeros(N, D)}),
        (r"inputs must be a torch.Tensor", {"inputs": [[0.0] * D] * N}),
        (r"regularization must be", {"regularization": -1.0}),
        (r"kept must hold 2 masks", {"kept": []}),
        (r"kept must hold 0 masks", {"training": False, "kept": [torch.ones(N, 7), torch.ones(N, 6)]}),
        (r"kept\[0\] must be of dtype torch.bool", {"kept": [torch.ones(N, 7), torch.ones(N, 6)]}),
        (r"kept\[1\] must have shape \(9, 6\)", {"kept": [torch.ones(N, 7) > 0, torch.ones(N, 7) > 0]}),
        (
            r"more than one example to train with batch",
            {"inputs": torch.zeros(1, D).double(), "labels": torch.zeros(1, dtype=torch.int64)},
        ),
    ],
)
def test_bad_arguments_are_named(message, arguments):
    network = draw_mlp([7, 6], "relu", "batch", 0.3)
    inputs, labels = draw_data()
    defaults = {"inputs": inputs, "labels": labels, "kept": draw_kept(network, N)}
    with pytest.raises(ValueError, match=message):
        loss_and_gradients(read_module(network), **(defaults | arguments))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("output.weight", r"output.weight must have shape \(4, 7\)"),
        ("output.bias", r"output.bias must have shape \(4,\)"),
        ("hidden.0.affine.bias", r"hidden.0.affine.bias must have shape \(7,\)"),
        ("hidden.0.normalization.bias", r"hidden.0.normalization.bias must have shape \(7,\)"),
        ("hidden.0.normalization.running_var", r"normalization.running_var must have shape \(7,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(name, message):
    state = draw_mlp([7], "relu", "batch").state_dict()
    state[name] = torch.cat([state[name], state[name]], dim=-1)
    with pytest.raises(ValueError, match=message):
        loss_and_gradients(read_state_dict(state), *draw_data())


def test_running_moments_of_another_dtype_are_named():
    state = draw_mlp([7], "relu", "batch").state_dict()
    state["hidden.0.normalization.running_var"] = torch.ones(7)
    with pytest.raises(ValueError, match=r"hidden.0.normalization.running_var must be of the dtype of inputs"):
        loss_and_gradients(read_state_dict(state), *draw_data())


def test_one_example_is_enough_to_evaluate_batch_normalization():
    assert_agrees_with_autograd(draw_mlp([7], "relu", "batch").eval(), *draw_data(1))


# ---- planted faults


@pytest.mark.parametrize("fault", ["1/N missing", "mask skipped", "penalty gradient halved"])
def test_planted_fault_fails_gradcheck(fault):
    with planted(fault), pytest.raises(RuntimeError, match="Jacobian mismatch"):
        test_gradcheck("relu", "none")
