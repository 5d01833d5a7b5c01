"""A network of any depth as plain tensors, named like the parameters of ``MLP``.

``network.hidden[0].affine.weight`` is the tensor that ``MLP`` calls ``hidden.0.affine.weight``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

from torch import Tensor

# Shape legend: I = input features of a layer, O = its output features

Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh"]
EPSILON = 1e-5  # under the root of both normalizations
LEAKY_SLOPE = 0.01

_ACTIVATION_OF_CLASS: dict[str, Activation] = {
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Tanh": "tanh",
}


class AffineTensors(NamedTuple):
    """An affine map: ``weight (O, I)``, the layout of ``nn.Linear``, and ``bias (O,)``."""

    weight: Tensor
    bias: Tensor


class Normalization(NamedTuple):
    """Scale ``weight (O,)`` and shift ``bias (O,)``; with running moments ``(O,)`` it is batch normalization."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor | None = None
    running_var: Tensor | None = None


class HiddenLayer(NamedTuple):
    """An affine map and an optional normalization; activation and dropout have no tensors.

    With an exit, a second affine map back to the input's width, it is a residual block: input + exit(layer(input)).
    """

    affine: AffineTensors
    normalization: Normalization | None = None
    exit: AffineTensors | None = None

    @property
    def affines(self) -> list[AffineTensors]:
        """Its affine maps, from input to output."""
        return [self.affine] if self.exit is None else [self.affine, self.exit]


class Network(NamedTuple):
    """Hidden layers from input to output, the output layer, and what all hidden layers share."""

    hidden: tuple[HiddenLayer, ...]
    output: AffineTensors
    activation: Activation = "relu"
    dropout: float = 0.0

    @property
    def affines(self) -> list[AffineTensors]:
        """The affine maps, from input to output."""
        return [*(affine for layer in self.hidden for affine in layer.affines), self.output]

    @property
    def affine_names(self) -> list[str]:
        """Of the affine maps, in the same order."""
        layers = enumerate(self.hidden)
        parts = [(index, part) for index, layer in layers for part in ("affine", "exit")[: len(layer.affines)]]
        return [*(f"hidden.{index}.{part}" for index, part in parts), "output"]

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Learned tensors, named and ordered as in ``MLP.named_parameters()``."""
        for index, layer in enumerate(self.hidden):
            yield f"hidden.{index}.affine.weight", layer.affine.weight
            yield f"hidden.{index}.affine.bias", layer.affine.bias
            if layer.normalization is not None:
                yield f"hidden.{index}.normalization.weight", layer.normalization.weight
                yield f"hidden.{index}.normalization.bias", layer.normalization.bias
            if layer.exit is not None:
                yield f"hidden.{index}.exit.weight", layer.exit.weight
                yield f"hidden.{index}.exit.bias", layer.exit.bias
        yield "output.weight", self.output.weight
        yield "output.bias", self.output.bias


def read_state_dict(state: Mapping[str, Tensor], activation: Activation = "relu", dropout: float = 0.0) -> Network:
    """Read a network from the state of an ``MLP``; the tensors are shared, not copied.

    Args:
        state: ``MLP.state_dict()``; its names and shapes give depth, widths and normalization.
        activation: Not part of the state.
        dropout: Probability of dropping a hidden unit in training; not part of the state.

    Raises:
        ValueError: For a missing or extra tensor, an unknown activation, or a dropout outside [0, 1).
    """
    if activation not in get_args(Activation):
        raise ValueError(f"activation must be one of {', '.join(get_args(Activation))}, not {activation!r}")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must be in [0, 1), not {dropout}")
    tensors = dict(state)
    depth = len({name.split(".")[1] for name in tensors if name.startswith("hidden.")})
    try:
        hidden = tuple(_take_hidden(tensors, f"hidden.{index}.") for index in range(depth))
        output = AffineTensors(tensors.pop("output.weight"), tensors.pop("output.bias"))
    except KeyError as missing:
        raise ValueError(f"state must hold the tensors of an MLP, {missing} is missing") from None
    if tensors:
        raise ValueError(f"state must hold the tensors of an MLP and no others, not {', '.join(tensors)}")
    return Network(hidden, output, activation, dropout)


def read_module(module: Any) -> Network:
    """Read a network from an ``MLP``, or from any module with the same parts under the same names.

    Raises:
        ValueError: For anything the formulas do not cover: another activation, slope or epsilon, or hidden layers
            that differ in activation or dropout.
    """
    shared = {
        (type(layer.activation).__name__, layer.dropout.p if hasattr(layer, "dropout") else 0.0)
        for layer in module.hidden
    }
    if len(shared) > 1:
        raise ValueError("module must have the same activation and dropout in every hidden layer")
    kind, dropout = next(iter(shared), ("ReLU", 0.0))
    if kind not in _ACTIVATION_OF_CLASS:
        raise ValueError(f"module must use one of {', '.join(_ACTIVATION_OF_CLASS)}, not {kind}")
    for layer in module.hidden:
        _expect(layer.activation, "negative_slope", LEAKY_SLOPE)
        _expect(layer.activation, "approximate", "none")
        _expect(getattr(layer, "normalization", None), "eps", EPSILON)
    return read_state_dict(module.state_dict(), _ACTIVATION_OF_CLASS[kind], dropout)


def _take_hidden(tensors: dict[str, Tensor], prefix: str) -> HiddenLayer:
    affine = AffineTensors(tensors.pop(prefix + "affine.weight"), tensors.pop(prefix + "affine.bias"))
    has_exit = prefix + "exit.weight" in tensors
    exit = AffineTensors(tensors.pop(prefix + "exit.weight"), tensors.pop(prefix + "exit.bias")) if has_exit else None
    prefix += "normalization."
    if prefix + "weight" not in tensors:
        return HiddenLayer(affine, None, exit)
    tensors.pop(prefix + "num_batches_tracked", None)
    moments = (tensors.pop(prefix + name, None) for name in ("running_mean", "running_var"))
    scale_shift = (tensors.pop(prefix + name) for name in ("weight", "bias"))
    return HiddenLayer(affine, Normalization(*scale_shift, *moments), exit)


def _expect(part: Any, option: str, value: object) -> None:
    found = getattr(part, option, value)
    if found != value:
        raise ValueError(f"module must have {option} = {value} in its {type(part).__name__}, not {found}")
