"""Networks of any depth, which train: every activation in every form of network, against autograd in float64.

The reference starts from the judged network's own pre-activations and scores, so that a unit that rounding moves across
its kink excuses nothing and accuses nobody; these are themselves judged by the reference of the whole network.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity import n_layer
from cifar_mlp.parity.drawing import draw_layer, few_bits, normal
from cifar_mlp.parity.evidence.autograd import objective, with_value
from cifar_mlp.parity.evidence.rows import Expected, Origin, Row, worst
from cifar_mlp.parity.layers import smoothed_targets
from cifar_mlp.parity.network import EPSILON, Activation, Network, Normalization, read_state_dict

N, WIDTHS = 23, (13, 11, 7, 5)  # examples; features, hidden units and classes, all different
DROPOUT, REGULARIZATION = 0.25, 0.02
SMOOTHING, SHARE = 5 / 16, 3 / 4  # of the targets of two labels, which every dtype then holds exactly


class NetworkForm(NamedTuple):
    """What a network is made of beside its affine maps."""

    normalization: str = "none"
    is_residual: bool = False  # its last hidden layer is a block with an exit
    has_two_labels: bool = False  # mixed images, smoothed


FORMS = {
    "none": NetworkForm(),
    "batch": NetworkForm("batch"),
    "layer": NetworkForm("layer"),
    "running": NetworkForm("running"),  # batch normalization in evaluation
    "residual": NetworkForm("batch", is_residual=True),
    "two labels": NetworkForm(has_two_labels=True),
    "record": NetworkForm("batch", is_residual=True, has_two_labels=True),  # all that the record's networks use
}


class DeepCase(NamedTuple):
    """One network and its batch, in float64 on the CPU; with dropout unless it is evaluated."""

    activation: Activation
    form: str
    state: dict[str, Tensor]
    inputs: Tensor
    labels: Tensor
    kept: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """As the tables have it."""
        return f"deep, {self.form}"

    @property
    def network(self) -> Network:
        """The tensors as the hand-derived functions take them."""
        return read_state_dict(self.state, self.activation, DROPOUT)

    @property
    def layers(self) -> set[str]:
        """The layers that it has, as faults name them."""
        form = FORMS[self.form]
        own = {self.activation, f"{form.normalization}_normalization", *(["dropout"] if self.kept else [])}
        own |= {"residual"} if form.is_residual else set()
        own |= {"two labels"} if form.has_two_labels else set()
        return own - {"none_normalization"} | {"affine", "softmax_cross_entropy", "l2_penalty"}

    def to(self, device: str, dtype: torch.dtype) -> "DeepCase":
        """The same on another device in another dtype."""
        return self._replace(
            state={name: tensor.to(dtype).to(device) for name, tensor in self.state.items()},
            inputs=self.inputs.to(dtype).to(device),
            labels=self.labels.to(device, dtype if self.labels.is_floating_point() else None),
            kept=tuple(mask.to(device) for mask in self.kept),
        )


def deep_cases(seed: int) -> list[DeepCase]:
    """Every activation in every form; no tensor is 0 or 1, and half precision holds each number exactly."""
    generator = torch.Generator().manual_seed(seed)
    return [_draw(activation, form, generator) for form in FORMS for activation in get_args(Activation)]


def deep_rows(case: DeepCase, device: str, dtype: torch.dtype) -> list[Row]:
    """The tensor of the case that uses most of its tolerance, and every one that fails."""
    here = case.to(device, dtype)
    errors: dict[str, float] = {}
    if dtype != torch.float64:
        theirs = by_autograd(here)
        right = _expected(case, theirs)
        errors = {name: right[name].error(tensor, dtype) for name, tensor in theirs.items()}
    problem, training = (here.network, here.inputs, here.labels, REGULARIZATION), bool(case.kept)
    passed = n_layer.passes(*problem, training=training, kept=here.kept)
    loss, gradients = n_layer.loss_and_gradients(*problem, training=training, kept=here.kept)
    everything = {"scores": passed.scores, "loss": passed.loss, **_numbered(passed.activated), **passed.gradients}
    expected = _expected(case, everything)
    rows = []
    for function, found in (("passes", everything), ("loss_and_gradients", {"loss": loss, **gradients})):
        origin = Origin(case.name, f"hand: n_layer.{function}", device, dtype)
        wanted = {"loss", *dict(here.network.named_tensors())}
        rows += [origin.failed(f"{case.activation} {name}", "missing") for name in sorted(wanted - found.keys())]
        for name in found:
            error = errors.get(name)
            rows.append(origin.judge(f"{case.activation} {name}", found[name], expected[name], autograd_error=error))
    return worst(rows)


def by_autograd(
    case: DeepCase, computed: Mapping[str, Tensor] | None = None, terms: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Scores, loss, pre-activations and the gradient of every parameter, by name.

    Args:
        case: The network and its batch.
        computed: Pre-activations and scores to continue from, by name.
        terms: Takes the terms of every sum that cancels: the gradient of a bias that the mean of a batch removes.
    """
    network = case.network
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in network.named_tensors()}
    network = read_state_dict(case.state | leaves, network.activation, network.dropout)
    activation, found, affine = getattr(functional, network.activation), {}, {}
    x = case.inputs
    for index, layer in enumerate(network.hidden):
        affine[f"hidden.{index}.affine.bias"] = z = functional.linear(x, *layer.affine)
        z = found[f"hidden.{index}.z"] = _normalized(layer.normalization, z, bool(case.kept))
        y = activation(z if computed is None else with_value(z, computed[f"hidden.{index}.z"]))
        y = y * case.kept[index] / (1 - network.dropout) if case.kept else y
        x = y if layer.exit is None else x + functional.linear(y, *layer.exit)
    scores = found["scores"] = functional.linear(x, *network.output)
    weights = [tensor for tensor in leaves.values() if tensor.dim() == 2]
    seen = scores if computed is None else with_value(scores, computed["scores"])
    loss = found["loss"] = objective(seen, case.labels, REGULARIZATION, weights)
    gradients = torch.autograd.grad(loss, [*leaves.values(), *affine.values()])
    if terms is not None and FORMS[case.form].normalization == "batch":
        terms.update(zip(affine, (dz.abs().sum(0) for dz in gradients[len(leaves) :]), strict=True))
    return {name: tensor.detach() for name, tensor in found.items()} | dict(zip(leaves, gradients, strict=False))


def _expected(case: DeepCase, computed: Mapping[str, Tensor]) -> dict[str, Expected]:
    """The reference of the whole network for pre-activations and scores, and for the rest what follows from these."""
    terms: dict[str, Tensor] = {}
    forward, rest = by_autograd(case), by_autograd(case, computed, terms)
    chosen = {name: forward[name] if name == "scores" or name.endswith(".z") else rest[name] for name in rest}
    return {
        name: Expected(value, float(terms[name].norm()) if name in terms else 0.0) for name, value in chosen.items()
    }


def _normalized(normalization: Normalization | None, z: Tensor, training: bool) -> Tensor:
    if normalization is None:
        return z
    scale, shift, mean, variance = normalization
    if mean is None:
        return functional.layer_norm(z, scale.shape, scale, shift, EPSILON)
    mean, variance = (None, None) if training else (mean, variance)
    return functional.batch_norm(z, mean, variance, scale, shift, training=training, eps=EPSILON)


def _numbered(activated: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"hidden.{index}.z": z for index, z in enumerate(activated)}


def _draw(activation: Activation, form: str, generator: torch.Generator) -> DeepCase:
    normalization, is_residual, has_two_labels = FORMS[form]
    training = normalization != "running"
    inputs, first, second, classes = WIDTHS
    state: dict[str, Tensor] = {}
    for prefix, i, o in (
        ("hidden.0.affine.", inputs, first),
        ("hidden.1.affine.", first, second),
        *([("hidden.1.exit.", second, first)] if is_residual else []),
        ("output.", first if is_residual else second, classes),
    ):
        layer = draw_layer(i, o, generator)
        state |= {f"{prefix}weight": layer["weight"].T.contiguous(), f"{prefix}bias": layer["bias"]}
        if "affine" not in prefix or normalization == "none":
            continue
        prefix = prefix.replace("affine", "normalization")
        state |= {f"{prefix}weight": layer["gamma"], f"{prefix}bias": layer["beta"]}
        if normalization in ("batch", "running"):
            mean, variance = 0.3 * normal(generator, o), normal(generator, o).abs() + 0.3
            state |= {f"{prefix}running_mean": few_bits(mean), f"{prefix}running_var": few_bits(variance)}
    kept = [torch.rand(N, o, generator=generator) >= DROPOUT for o in WIDTHS[1:-1]] if training else []
    labels = torch.randint(classes, (N,), generator=generator)
    if has_two_labels:
        both = [smoothed_targets(each, classes, SMOOTHING, torch.float64) for each in (labels, labels.roll(1))]
        labels = SHARE * both[0] + (1 - SHARE) * both[1]
    return DeepCase(activation, form, state, few_bits(normal(generator, N, inputs)), labels, tuple(kept))
