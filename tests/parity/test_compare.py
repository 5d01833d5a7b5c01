"""The comparison holds on correct code, and says so truthfully."""

import math
from contextlib import contextmanager, nullcontext
from itertools import groupby, product

import pytest
import torch

from cifar_mlp.parity import compare as compare_module
from cifar_mlp.parity import layers, n_layer, two_layer
from cifar_mlp.parity.compare import compare
from cifar_mlp.parity.evidence import autograd, cases, matmul_precision
from cifar_mlp.parity.evidence.deep import FORMS, deep_cases, deep_rows
from cifar_mlp.parity.evidence.matmul_precision import SimulatedTF32, full_precision, round_to_tf32, tf32
from cifar_mlp.parity.evidence.reference import Reference, hand_rows
from cifar_mlp.parity.evidence.rows import Expected, Origin, ratio
from cifar_mlp.parity.faults import planted
from tests.long_cases import rest_long

pytestmark = pytest.mark.parity

SMALL = ("toy", "13-9-4:1", "64-48-10:57")
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh")
GRADIENTS = ("w1", "b1", "w2", "b2")
REPORT = "510-600-10:200"
DEVICES = ["cpu", *(pytest.param(gpu, marks=getattr(pytest.mark, gpu)) for gpu in ("cuda", "mps"))]


@pytest.fixture(scope="module")
def small():
    """One comparison of the common sizes and the special cases on the CPU, shared by the tests that only read it."""
    return compare(devices=("cpu",), sizes=(*SMALL, REPORT), show_tf32=True, self_test=True)


@pytest.mark.parametrize("device", DEVICES)
def test_every_tensor_is_within_tolerance(device, small):
    sizes = (*SMALL, REPORT)
    found = small if device == "cpu" else compare(devices=(device,), sizes=sizes, training_steps=0)

    assert found.failures == []
    for dtype, size in product(compare_module.DTYPES, sizes):
        if (device, dtype) == ("mps", "float64"):
            continue
        rows = [row for row in found.rows if (row.device, row.dtype, row.case) == (device, dtype, size)]
        judged = {row.tensor for row in rows if row.verdict == "pass" and row.witness.startswith("hand")}
        assert judged == set(two_layer.Trace._fields), (dtype, size)


@pytest.mark.parametrize("seed", rest_long(range(1, 6), [1]))
def test_every_tensor_is_within_tolerance_for_any_seed(seed):
    assert compare(devices=("cpu",), sizes=SMALL, seed=seed, training_steps=0).failures == []


@pytest.mark.long
@pytest.mark.parametrize("device", DEVICES)
def test_every_tensor_is_within_tolerance_on_all_pixels(device):
    found = compare((device,), ("float64", "float32"), ("3072-2048-10:200",), training_steps=0)

    assert found.failures == []


def test_every_case_is_compared_with_everything(small):
    drawn = sorted((row for row in small.rows if row.case in (*SMALL, "kink", "confident")), key=lambda row: row.case)
    for case, rows in groupby(drawn, key=lambda row: row.case):
        assert {row.witness.split(":")[0] for row in rows} >= {"numpy", "hand"}, case
    assert any((row.case, row.witness) == ("toy", "differences: every entry") for row in small.rows)
    assert any((row.case, row.witness) == ("64-48-10:57", "differences: 3 directions") for row in small.rows)


def test_float64_is_far_inside_its_tolerance_and_tf32_far_outside(small):
    exact = [row for row in small.rows if row.dtype == "float64" and row.case in SMALL and "diff" not in row.witness]
    assert max(row.normwise_error for row in exact) < 1e-14
    tf32_rows = [row for row in small.rows if row.witness == "hand: TF32, simulated" and row.case == "toy"]
    assert {row.verdict for row in tf32_rows} == {"shown"}
    assert next(row for row in tf32_rows if row.tensor == "w1").normwise_error > 1e-4


def test_training_repeats_and_planted_faults(small):
    found = [(row.case, row.dtype, row.verdict) for row in small.rows if row.case == "training"]
    assert found == [("training", "float64", "pass"), ("training", "float32", "shown")]
    losses = next(row for row in small.rows if row.case == "training")
    assert losses.shape == (100,)
    repeats = [row for row in small.rows if row.case == "repeat"]
    assert {(row.dtype, row.limit, row.verdict) for row in repeats} == {
        ("float64", 0, "pass"),
        ("float32", 0, "pass"),
    }
    caught = {row.dtype for row in small.rows if row.case == "planted fault" and row.verdict == "pass"}
    assert caught == {"float64", "float32", "bfloat16", "float16"}


@pytest.mark.cuda
def test_cpu_and_gpu_train_alike():
    found = compare(devices=("cpu", "cuda"), dtypes=("float64",), sizes=("toy",))

    row = next(row for row in found.rows if (row.case, row.device, row.dtype) == ("training", "cuda", "float64"))
    assert row.verdict == "pass"


def test_float16_that_would_take_minutes_is_not_run(monkeypatch):
    monkeypatch.setattr(compare_module, "FLOAT16_CPU_LIMIT", 10)
    found = compare(devices=("cpu",), dtypes=("float16",), sizes=("toy",), training_steps=0)

    assert "toy on cpu in float16" in [entry.what for entry in found.not_run]


@pytest.mark.parametrize(
    "message",
    [
        "\"addmm_impl_cpu_\" not implemented for 'Half'",
        "The operator 'aten::addmm' is not currently implemented for the MPS device. If you want",
    ],
)
def test_a_dtype_without_an_operation_is_not_run(monkeypatch, message):
    right = two_layer.intermediates

    def without_half(parameters, *problem):
        if parameters.w1.dtype == torch.float16:
            raise NotImplementedError(message) if "operator" in message else RuntimeError(message)
        return right(parameters, *problem)

    monkeypatch.setattr(two_layer, "intermediates", without_half)
    found = compare(devices=("cpu",), dtypes=("float16",), sizes=("toy",), training_steps=0)

    assert found.failures == []
    assert found.not_run[0].reason == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"devices": ["tpu"]}, "--devices: 'tpu' is not one of cpu, cuda, mps"),
        ({"dtypes": ["float8"]}, "--dtypes: 'float8' is not one of"),
        ({"sizes": ["510x600"]}, "--sizes: '510x600' is neither toy nor"),
        ({"sizes": ["3-0-2:5"]}, "--sizes: '3-0-2:5' has a dimension below 1"),
        ({"sizes": ["7-5-7:3"]}, "--sizes: '7-5-7:3' .* has equal dimensions"),
    ],
)
def test_a_bad_option_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**arguments)


# ---- cases


@pytest.mark.parametrize("case", cases.standard_cases((*SMALL, "510-600-10"), seed=0), ids=lambda case: case.name)
def test_a_case_has_the_properties_it_promises(case):
    d, h = case.parameters.w1.shape
    n, c = len(case.labels), len(case.parameters.b2)
    assert len({n, d, h, c}) == 4
    assert int(case.labels.max()) < c
    z2 = case.inputs @ case.parameters.w1 + case.parameters.b1
    if case.name not in ("kink", "large-logits"):
        assert (z2 != 0).all()
    if case.name not in ("toy", "large-logits"):
        for tensor in (*case.parameters, case.inputs):
            for dtype in (torch.bfloat16, torch.float16):
                assert torch.equal(tensor.to(dtype).double(), tensor)


def test_the_special_cases_are_special():
    traces = {case.name: autograd.intermediates(*case.problem) for case in cases.standard_cases((), seed=0)}

    kink = traces["kink"]
    assert ((kink.z2 == 0) & (kink.da2 != 0)).sum() > 5
    scores = traces["large-logits"].scores
    assert scores.max() > 1e4
    assert scores.min() < -1e4
    top = scores.topk(2).values
    assert (top[:, 0] == top[:, 1]).any()
    assert traces["confident"].dz3.norm() < 1e-3 * traces["confident"].probabilities.norm()
    assert traces["single-class"].loss == 0
    assert not traces["dead-units"].w1.any()
    assert traces["dead-units"].b2.any()


# ---- measures and tolerances


def judged(tensor, reference, terms=0.0, **options):
    expected = Expected(reference.double(), terms)
    return Origin("case", "witness", "cpu", tensor.dtype).judge("w1", tensor, expected, **options)


def test_measures_of_a_known_difference():
    row = judged(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0]))

    assert row.shape == (2,)
    assert row.largest == 4
    assert row.normwise_error == pytest.approx(0.1)
    assert row.share == pytest.approx(1e4)


def test_zero_must_be_met_by_zero():
    assert ratio(0.0, 0.0) == 0
    assert ratio(1e-300, 0.0) == math.inf
    zero = torch.zeros(3)

    assert judged(zero, zero, 2.0).verdict == "pass"
    assert "where the reference is zero" in judged(torch.tensor([0.0, 0, 1e-30]), zero, 2.0).reason
    assert judged(torch.tensor([0.0, 0, 1e-30]), zero, scale=2.0).verdict == "pass"


def test_half_precision_is_held_to_autograd_and_one_rounding():
    reference = torch.ones(4)
    tensor = (reference + 0.1).bfloat16()

    assert judged(tensor, reference, autograd_error=0.04).verdict == "pass"
    assert judged(tensor, reference, autograd_error=0.02).verdict == "FAIL"
    assert judged(tensor, reference, autograd_error=0.7).verdict == "FAIL", "autograd that is lost excuses nothing"
    assert judged(tensor, reference, autograd_error=math.nan).verdict == "shown"


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_value_that_is_not_finite_fails(wrong):
    assert judged(torch.tensor([1.0, wrong]), torch.ones(2), autograd_error=1.0).reason == "not finite"
    assert judged(torch.ones(2), torch.tensor([1.0, wrong])).reason == "the reference is not finite"


def test_a_flipped_mask_fails_from_float32_up():
    one = torch.ones(2)
    assert judged(one, one, flips=1).reason == "1 ReLU masks differ"
    assert judged(one.bfloat16(), one, autograd_error=0.0, flips=1).verdict == "pass"
    reference = Reference(cases.drawn("flips", 5, 4, 3, 7, seed=0))
    flipped = {"z2": reference.expected["z2"].value * torch.tensor([-1.0, 1, 1, 1])}
    assert next(reference.judge("hand", "cpu", torch.float64, flipped)).mask_flips == 7


def test_a_cancelled_gradient_is_measured_by_its_terms():
    case = cases.confident(seed=0)
    expected = Reference(case).expected
    p = expected["probabilities"].value

    onehot = torch.nn.functional.one_hot(case.labels, p.shape[1])
    terms = (p + onehot) / len(case.labels)
    assert expected["dz3"].scale(torch.float64) == pytest.approx(float(terms.norm()), rel=1e-3)
    assert expected["w2"].scale(torch.float64) == pytest.approx(
        float((expected["a2"].value.T @ terms).norm()), rel=1e-3
    )
    assert expected["scores"].scale(torch.float64) == float(expected["scores"].value.norm())
    assert expected["dz3"].scale(torch.bfloat16) == float(expected["dz3"].value.norm()), "the scores are its own"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(3))
def test_every_deep_network_is_within_tolerance(device, seed):
    dtypes = [dtype for dtype in compare_module.DTYPES.values() if (device, dtype) != ("mps", torch.float64)]
    networks = deep_cases(seed)
    assert {(one.activation, one.form) for one in networks} == set(product(ACTIVATIONS, FORMS))
    rows = [row for one in networks for dtype in dtypes for row in deep_rows(one, device, dtype)]
    assert [str(row) for row in rows if row.verdict != "pass"] == []


@pytest.mark.parametrize("function", ["passes", "loss_and_gradients"])
@pytest.mark.parametrize("factor", rest_long([9, 0, 1.5], [1.5]))
def test_wrong_gradients_of_a_deep_network_fail_everywhere(monkeypatch, function, factor):
    right = getattr(n_layer, function)

    def wrong(*problem, **options):
        found = right(*problem, **options)
        scaled = {name: factor * gradient for name, gradient in tuple(found)[1].items()}
        return found._replace(gradients=scaled) if function == "passes" else (found[0], scaled)

    monkeypatch.setattr(n_layer, function, wrong)
    for one, dtype in product(deep_cases(0), compare_module.DTYPES.values()):
        assert any(row.verdict == "FAIL" for row in deep_rows(one, "cpu", dtype)), (one.activation, dtype)
    found = compare(("cpu",), ("bfloat16",), (), training_steps=0)
    assert {row.case for row in found.rows if row.verdict == "FAIL"} == {f"deep, {name}" for name in FORMS}


@pytest.mark.parametrize("dtype", compare_module.DTYPES)
def test_targets_that_become_classes_are_caught_in_a_record_s_network(dtype):
    """GELU, batch normalization, dropout, a residual block, and smoothed labels, two of them mixed, all in one."""
    (record,) = (one for one in deep_cases(0) if (one.activation, one.form) == ("gelu", "record"))
    assert record.kept
    assert ((record.labels > 0.2).sum(1) == 2).any()
    with planted("targets rounded to their largest class"):
        assert any(row.verdict == "FAIL" for row in deep_rows(record, "cpu", getattr(torch, dtype)))


def test_a_gradient_that_is_lost_fails(monkeypatch):
    right = n_layer.loss_and_gradients

    def lost(*problem, **options):
        loss, gradients = right(*problem, **options)
        return loss, {name: gradient for name, gradient in gradients.items() if name != "output.bias"}

    monkeypatch.setattr(n_layer, "loss_and_gradients", lost)
    failed = [row for row in deep_rows(deep_cases(0)[0], "cpu", torch.float64) if row.verdict == "FAIL"]
    assert [(row.tensor, row.reason) for row in failed] == [("relu output.bias", "missing")]


def test_an_ordinary_gradient_is_measured_by_itself():
    for name, expected in Reference(cases.standard_cases((REPORT,), seed=0)[0]).expected.items():
        assert expected.scale(torch.float64) == pytest.approx(float(expected.value.norm())), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("factor", [0, -5, 2])
@pytest.mark.parametrize("case", cases.standard_cases(SMALL, seed=0), ids=lambda case: case.name)
def test_no_case_is_blind_in_half_precision(case, factor, dtype, monkeypatch):
    right, reference = layers.softmax_cross_entropy_backward, Reference(case)
    assert [str(row) for row in hand_rows(reference, "cpu", dtype) if row.verdict == "FAIL"] == []
    monkeypatch.setattr(layers, "softmax_cross_entropy_backward", lambda p, labels: factor * right(p, labels))
    failed = {row.tensor for row in hand_rows(reference, "cpu", dtype) if row.verdict == "FAIL"}
    not_zero = {name for name in (*GRADIENTS, "dz3") if reference.expected[name].value.any()}
    assert failed >= not_zero
    assert bool(failed) == (case.name != "single-class"), "only where there is one class is every gradient zero"


# ---- precision


def test_tf32_keeps_ten_mantissa_bits():
    x = torch.tensor([1 + 2.0**-10, 1 + 2.0**-11 + 2.0**-12, 1 + 2.0**-12, -3.0])

    assert round_to_tf32(x).tolist() == [1 + 2.0**-10, 1 + 2.0**-10, 1.0, -3.0]
    assert torch.equal(round_to_tf32(x.double()), x.double())


def switches():
    matmul = torch.backends.cuda.matmul
    return {
        "general": torch.backends.fp32_precision,
        "cuda": matmul.fp32_precision,
        "cpu": torch.backends.mkldnn.matmul.fp32_precision,
        "bf16": matmul.allow_bf16_reduced_precision_reduction,
        "fp16": matmul.allow_fp16_reduced_precision_reduction,
    }


def set_matmuls(precision):
    """The fixture around every test puts them back."""
    for switch in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
        switch.fp32_precision = precision
    for kind in ("bf16", "fp16"):
        setattr(torch.backends.cuda.matmul, f"allow_{kind}_reduced_precision_reduction", True)


def test_full_precision_sets_every_switch_and_restores_it():
    """The older getter raises here, since somebody has used the newer interface."""
    set_matmuls("tf32")
    before = switches()
    with pytest.raises(RuntimeError):
        torch.get_float32_matmul_precision()
    with full_precision():
        assert switches() == {"general": "none", "cuda": "ieee", "cpu": "ieee", "bf16": False, "fp16": False}
    assert switches() == before


def test_a_switch_that_followed_the_general_one_follows_it_again():
    set_matmuls("none")
    with full_precision():
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    try:
        torch.backends.fp32_precision = "tf32"
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        torch.backends.fp32_precision = "none"


@pytest.mark.parametrize(
    ("capability", "differs", "expected"), [((7, 5), True, False), ((8, 0), False, False), ((9, 0), True, True)]
)
def test_a_card_has_tf32_if_its_result_shows_it(monkeypatch, capability, differs, expected):
    """A CPU plays the GPU; simulated TF32 makes its products differ."""

    @contextmanager
    def matmuls(precision):
        with SimulatedTF32() if differs and precision == "tf32" else nullcontext():
            yield

    monkeypatch.setattr(matmul_precision, "_matmuls", matmuls)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    assert matmul_precision.has_tf32() is expected


@pytest.mark.cuda
def test_native_tf32_is_said_only_where_it_is_shown():
    with tf32("cuda") as label:
        assert (label == "TF32") == matmul_precision.has_tf32()


def test_simulated_tf32_rounds_only_matmuls():
    a = torch.tensor([[1 + 2.0**-12]])
    with tf32("cpu") as label:
        assert label == "TF32, simulated"
        assert (a @ a).item() == 1
        assert (a * 1).item() == 1 + 2.0**-12
    assert (a @ a).item() > 1
