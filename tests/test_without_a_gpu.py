"""The device logic of a GPU on any machine: fake CUDA tensors have shapes and devices but no values.

Reading a value raises, and so do operations on mixed devices. So what passes here neither waits for a GPU nor leaves a
tensor behind on the CPU.
"""

from collections.abc import Callable
from itertools import product
from typing import TypeVar

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.hand_derived.flat import FlatParameters
from cifar_mlp.models.hand_derived.matmuls import MatmulChoice
from cifar_mlp.models.hand_derived.steps import HandDerivedLoss, HandDerivedSteps
from cifar_mlp.models.metrics import evaluation_metrics
from cifar_mlp.models.mlp import MLP
from cifar_mlp.models.training_mean import TrainingMean
from cifar_mlp.parity import layers, n_layer, two_layer
from cifar_mlp.parity.evidence.deep import FORMS, NetworkForm, deep_cases
from cifar_mlp.parity.network import read_module

Module = TypeVar("Module", bound=torch.nn.Module)
N, D, H, C = 7, 5, 6, 4
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
DEEP = [(case.activation, FORMS[case.form]) for case in deep_cases(0)]


@pytest.fixture(autouse=True)
def fake():
    with FakeTensorMode():
        yield


def cuda(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="cuda")


def on_gpu(build: Callable[[], Module], dtype: torch.dtype = torch.float32) -> Module:
    """Built there: fake parameters cannot be moved."""
    torch.set_default_dtype(dtype)
    with torch.device("cuda"):
        return build()


def labels() -> Tensor:
    return torch.zeros(N, dtype=torch.int64, device="cuda")


def assert_on_gpu(*tensors: Tensor, dtype: torch.dtype | None = None) -> None:
    for tensor in tensors:
        assert tensor.device.type == "cuda"
        assert tensor.dtype == (dtype or tensor.dtype)


def two_layers(dtype: torch.dtype = torch.float32) -> tuple[two_layer.Parameters, Tensor, Tensor]:
    shapes = ((D, H), (H,), (H, C), (C,))
    return two_layer.Parameters(*(cuda(*shape, dtype=dtype) for shape in shapes)), cuda(N, D, dtype=dtype), labels()


def check_two_layers(dtype: torch.dtype = torch.float32) -> None:
    parameters, inputs, own_labels = two_layers(dtype)
    loss, gradients = two_layer.loss_and_gradients(parameters, inputs, own_labels, 0.1)
    stepped = two_layer.sgd_step(parameters, gradients, 0.1)
    trace = two_layer.intermediates(parameters, inputs, own_labels, 0.1)
    assert_on_gpu(two_layer.forward(parameters, inputs), loss, *gradients, *stepped, *trace, dtype=dtype)


def built(activation: str, form: NetworkForm, dtype: torch.dtype = torch.float32) -> MLP:
    kind = "batch" if form.normalization == "running" else form.normalization
    blocks = int(form.is_residual)
    return on_gpu(lambda: MLP(D, C, [H, 3], activation, 0.3, kind, residual_blocks=blocks, expansion=2), dtype)


def labels_of(form: NetworkForm, dtype: torch.dtype = torch.float32) -> Tensor:
    return cuda(N, C, dtype=dtype) if form.has_two_labels else labels()


def check_deep(activation: str, form: NetworkForm, dtype: torch.dtype = torch.float32) -> None:
    training, widths = form.normalization != "running", (H, 3, 6)[: 2 + form.is_residual]
    network = built(activation, form, dtype)
    kept = [torch.ones(N, width, dtype=torch.bool, device="cuda") for width in widths] if training else []
    problem = read_module(network), cuda(N, D, dtype=dtype), labels_of(form, dtype)
    passed = n_layer.passes(*problem, 0.1, training=training, kept=kept)
    assert_on_gpu(passed.loss, passed.scores, *passed.gradients.values(), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_layers(dtype):
    check_two_layers(dtype)


@pytest.mark.parametrize(("case", "dtype"), list(product(DEEP, DTYPES)))
def test_any_depth(case, dtype):
    check_deep(*case, dtype)


@pytest.fixture
def in_place(monkeypatch):
    """Fake tensors have no memory that could be compared."""
    for module in ("flat", "steps"):
        monkeypatch.setattr(f"cifar_mlp.models.hand_derived.{module}.same_memory", lambda *_: True)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("activation", "form"), [case for case in DEEP if case[1].normalization != "running"])
def test_a_whole_step_hand_derived(activation, form, half, in_place, monkeypatch):
    network = built(activation, form)
    flat = FlatParameters(list(network.parameters()))
    steps = HandDerivedSteps(network, 0.1, 0.1, MatmulChoice(), flat)
    optimizer = torch.optim.Adam([flat.parameter], fused=True, capturable=True)
    monkeypatch.setattr("cifar_mlp.models.hand_derived.steps.rounds_to_bfloat16", lambda kind: half)
    for _ in range(2):
        loss, scores = steps(cuda(N, D), labels_of(form))
        optimizer.zero_grad()
        steps.deliver()
        torch.nn.utils.clip_grad_norm_([flat.parameter], 1.0)
        optimizer.step()
    assert_on_gpu(loss, scores, flat.parameter, *(parameter.grad for parameter in network.parameters()))


def test_a_step_hand_derived_through_autograd_s_engine(in_place):
    network = on_gpu(lambda: MLP(D, C, [H]))
    steps = HandDerivedSteps(network, 0.0, 0.1, MatmulChoice())
    loss, scores = HandDerivedLoss.apply(steps, cuda(N, D), labels(), *network.parameters())
    assert_on_gpu(loss, scores, *loss.grad_fn.gradients)


@pytest.mark.parametrize("n_components", [None, 4])
@pytest.mark.parametrize("scaling", ["symmetric", "standardize", "mean_image"])
def test_preprocessing(scaling, n_components):
    preprocessing = on_gpu(lambda: Preprocessing((3, 4, 4), scaling, n_components))
    features = preprocessing(cuda(N, 3, 4, 4, dtype=torch.uint8))
    assert_on_gpu(features, preprocessing.inverse(features), dtype=torch.float32)


def test_metrics(monkeypatch):
    """Torchmetrics counts with ``bincount``, which waits for its largest value; here the number of bins is known."""
    monkeypatch.setattr(torch, "bincount", lambda x, minlength: x.new_zeros(minlength))
    with unset_fake_temporarily():
        metrics, confusion = evaluation_metrics(C)
    for metric in (*metrics.values(copy_state=False), confusion):
        for name, state in metric._defaults.items():
            setattr(metric, name, [] if isinstance(state, list) else cuda(*state.shape, dtype=state.dtype))
    metrics.update(cuda(N, C), labels())
    confusion.update(cuda(N, C), labels())
    assert_on_gpu(confusion.confmat)


def test_training_mean():
    mean = TrainingMean()
    for _ in range(300):
        mean.add(cuda(), cuda(N, C), labels())
    read = mean.read()
    assert read is not None
    assert_on_gpu(*read)


# ---- planted faults


def reading(right: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def wrong(x: Tensor, *others: Tensor, **options: Tensor) -> Tensor:
        return right(x, *others, **options) * x.amax().item() ** 0

    return wrong


def mixing(right: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def wrong(x: Tensor, *others: Tensor, **options: Tensor) -> Tensor:
        return right(x, *others, **options) + torch.zeros(x.shape[-1])

    return wrong


@pytest.mark.parametrize("fault", [reading, mixing])
@pytest.mark.parametrize("function", ["relu_forward", "relu_backward", "affine_forward", "affine_backward_input"])
def test_a_value_that_is_read_and_a_tensor_left_on_the_cpu_are_caught(monkeypatch, function, fault):
    monkeypatch.setattr(layers, function, fault(getattr(layers, function)))
    for check in (check_two_layers, lambda: check_deep("relu", NetworkForm())):
        with pytest.raises(RuntimeError):
            check()


def test_labels_that_are_read_at_every_step_are_caught(monkeypatch):
    def reading_labels(parameters, inputs, own_labels):
        assert int(own_labels.max()) < C

    monkeypatch.setattr(two_layer, "check_problem", reading_labels)
    with pytest.raises(RuntimeError):
        check_two_layers()
