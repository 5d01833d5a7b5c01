"""oneDNN's matmuls are float32's, are used where they are said to be, and nowhere else."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from cifar_mlp.models import affine
from cifar_mlp.models.affine import Affine, Matmul

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
B, I, O = 200, 510, 60  # noqa: E741


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The matmuls that oneDNN computed, on a machine where it is the faster one."""
    found: list[Tensor] = []
    matmul = affine.onednn_matmul
    monkeypatch.setattr(affine, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(affine, "onednn_matmul", lambda *factors: found.append(matmul(*factors)) or found[-1])
    return found


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).detach().norm() / exact.detach().norm())


def test_values_and_gradients_are_float32_s(taken: list[Tensor]):
    layer, x = Affine(I, O), torch.randn(B, I, requires_grad=True)
    upstream = torch.randn(B, O)
    found = layer(x)
    found.backward(upstream)
    assert len(taken) == 3
    exact_x, exact_w, exact_b = (part.detach().double().requires_grad_() for part in (x, layer.weight, layer.bias))
    exact = linear(exact_x, exact_w, exact_b)
    exact.backward(upstream.double())
    pairs = [(found, exact), (x.grad, exact_x.grad), (layer.weight.grad, exact_w.grad), (layer.bias.grad, exact_b.grad)]
    for ours, theirs in pairs:
        assert error(ours, theirs) < 1e-6
        assert ours.is_contiguous()


def test_only_the_gradients_asked_for_are_computed(taken: list[Tensor]):
    Affine(I, O)(torch.randn(B, I)).sum().backward()
    assert len(taken) == 2


def test_it_can_be_differentiated_again(taken: list[Tensor]):
    def penalty(function) -> Tensor:
        (slope,) = torch.autograd.grad(function(x, w, b).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(slope.pow(2).sum(), w)[0]

    x, w, b = torch.randn(7, 5, requires_grad=True), torch.randn(4, 5, requires_grad=True), torch.randn(4)
    torch.testing.assert_close(penalty(Matmul.apply), penalty(linear), rtol=1e-4, atol=1e-3)
    assert taken


@pytest.mark.parametrize("case", ["evaluation", "float64", "sequences", "few weights", "autocast", "compilation"])
def test_all_else_is_left_to_pytorch(taken: list[Tensor], case: str, monkeypatch: pytest.MonkeyPatch):
    layer, x = Affine(I, 3 if case == "few weights" else O), torch.randn(B, I)
    if case == "evaluation":
        layer.eval()
    if case == "float64":
        layer, x = layer.double(), x.double()
    if case == "sequences":
        x = x[None]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: case == "compilation")
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        found = layer(x)
        assert torch.equal(found, linear(x, layer.weight, layer.bias))
    assert not taken


def asked_anew() -> bool:
    return affine.onednn_is_faster.__wrapped__()


TESTED_TORCH = ("2.14.1", "2.15.0")  # with the private operator; any other version may use it or fall back


@pytest.mark.skipif(torch.__version__.split("+")[0] not in TESTED_TORCH, reason="not tested with this PyTorch")
def test_the_private_operator_is_there_in_the_tested_versions():
    x, w, b = torch.randn(5, 7), torch.randn(3, 7), torch.randn(3)
    torch.testing.assert_close(affine.onednn_matmul(x, w, b), linear(x, w, b))


def test_without_the_private_operator_a_layer_trains_by_pytorch_s_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(affine, "cpu_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    affine.onednn_is_faster.cache_clear()
    try:
        layer, x = Affine(I, O), torch.randn(B, I)
        found = layer(x)
        found.sum().backward()
    finally:
        affine.onednn_is_faster.cache_clear()
    assert torch.equal(found, linear(x, layer.weight, layer.bias))
    assert layer.weight.grad is not None


def missing(*_: Tensor) -> Tensor:
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")


def test_the_machine_is_asked(monkeypatch: pytest.MonkeyPatch):
    matmul = affine.onednn_matmul
    monkeypatch.setattr(affine, "cpu_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert asked_anew()
    # Products that are not float32's, or not there:
    monkeypatch.setattr(affine, "onednn_matmul", lambda a, b, c: (a.bfloat16() @ b.bfloat16().T).float() + c)
    assert not asked_anew()
    monkeypatch.setattr(affine, "onednn_matmul", missing)
    assert not asked_anew()
    monkeypatch.setattr(affine, "onednn_matmul", matmul)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not asked_anew()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(affine, "cpu_vendor", lambda: "GenuineIntel")
    assert not asked_anew()
