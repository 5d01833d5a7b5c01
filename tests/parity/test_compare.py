"""Who agrees with whom: the comparison holds on correct code, and says so truthfully."""

import math
from itertools import groupby

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cifar_mlp.parity import compare as compare_module
from cifar_mlp.parity import two_layer
from cifar_mlp.parity.compare import compare
from cifar_mlp.parity.evidence import cases
from cifar_mlp.parity.evidence.gates import judge
from cifar_mlp.parity.evidence.measures import mask_flips, measure, ratio
from cifar_mlp.parity.evidence.precision import full_precision, round_to_tf32, tf32
from cifar_mlp.parity.evidence.report import headline
from cifar_mlp.parity.evidence.scales import scales
from cifar_mlp.parity.two_layer import Parameters

pytestmark = pytest.mark.parity

SMALL = ("toy", "13-9-4:1", "64-48-10:57")
REPORT = "510-600-10:200"
CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.cuda,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="cuda: no NVIDIA GPU on this machine"),
    ],
)


@pytest.fixture(scope="module")
def small():
    """One comparison of the small sizes and the special cases on the CPU, for every test that only reads."""
    return compare(devices=("cpu",), sizes=SMALL, show_tf32=True)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("size", [*SMALL, REPORT])
def test_every_gate_holds(device, dtype, size):
    found = compare(devices=(device,), dtypes=(dtype,), sizes=(size,), training_steps=0)

    assert found.failures == []
    judged = [row for row in found.rows if (row.device, row.dtype, row.case) == (device, dtype, size)]
    assert {row.tensor for row in judged} == set(two_layer.Trace._fields)
    assert all(row.verdict == "pass" for row in judged)


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_gate_holds_whatever_the_seed(seed):
    assert compare(devices=("cpu",), sizes=SMALL, seed=seed, training_steps=0).failures == []


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_every_gate_holds_on_all_pixels(device):
    found = compare((device,), ("float64", "float32"), ("3072-2048-10:200",), training_steps=0)

    assert found.failures == []


def test_each_case_meets_each_witness(small):
    rows = sorted(small.rows, key=lambda row: row.case)
    for case, group in groupby(rows, key=lambda row: row.case):
        met = {row.witness.split(":")[0] for row in group}
        assert {"autograd", "numpy", "hand"} <= met, case
    assert {row.witness for row in small.rows if row.case == "toy"} >= {"differences: every entry"}
    drawn = {row.witness for row in small.rows if row.case == "64-48-10:57" and "differences" in row.witness}
    assert "differences: 3 directions" in drawn
    assert sum(int(name.split()[1]) for name in drawn_entries(small)) == 100


def drawn_entries(found):
    """The witness names of the drawn entries, one for every parameter."""
    return [row.witness for row in found.rows if row.case == "64-48-10:57" and row.witness.endswith("entries")]


def test_float64_is_far_inside_its_limit_and_tf32_far_outside(small):
    exact = [row for row in small.rows if row.dtype == "float64" and row.witness in ("autograd", "numpy")]
    assert max(row.normwise_error for row in exact) < 1e-14
    tf32_rows = [row for row in small.rows if row.witness == "hand: TF32, simulated" and row.case == "toy"]
    assert {row.verdict for row in tf32_rows} == {"shown"}
    assert next(row for row in tf32_rows if row.tensor == "w1").normwise_error > 1e-4


def test_training_and_repeats(small):
    assert [(entry.witness, entry.dtype, entry.verdict) for entry in small.trainings] == [
        ("autograd, torch.optim.SGD", "float64", "pass"),
        ("hand", "float64", "pass"),
        ("hand", "float32", "shown"),
    ]
    assert all(len(entry.losses) == 100 for entry in small.trainings)
    assert small.trainings[0].last_loss < small.trainings[0].first_loss  # it trained: no vacuous agreement
    assert [(entry.dtype, entry.verdict) for entry in small.repeats] == [
        ("float64", "pass"),
        ("float32", "pass"),
    ]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="cuda: no NVIDIA GPU on this machine")
def test_cpu_and_gpu_train_alike():
    found = compare(devices=("cpu", "cuda"), dtypes=("float64",), sizes=("toy",))

    entry = next(one for one in found.trainings if (one.device, one.dtype) == ("cuda", "float64"))
    assert entry.largest_relative_error <= 1e-9


def test_an_absent_device_is_not_run_and_never_passed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = compare(devices=("cuda",), sizes=("toy",), training_steps=0)

    assert [(entry.what, entry.reason) for entry in found.not_run] == [("cuda", "no NVIDIA GPU on this machine")]
    assert not any(row.device == "cuda" for row in found.rows)
    assert headline(found).endswith("gates held; not run: cuda")


def test_float16_that_would_take_minutes_is_not_run(monkeypatch):
    monkeypatch.setattr(compare_module, "FLOAT16_CPU_LIMIT", 10)
    found = compare(devices=("cpu",), dtypes=("float16",), sizes=("toy",), training_steps=0)

    assert "toy on cpu in float16" in [entry.what for entry in found.not_run]


def test_a_dtype_without_an_operation_is_not_run(monkeypatch):
    right = two_layer.intermediates

    def without_half(parameters, *problem):
        if parameters.w1.dtype == torch.float16:
            raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'")
        return right(parameters, *problem)

    monkeypatch.setattr(two_layer, "intermediates", without_half)
    found = compare(devices=("cpu",), dtypes=("float16",), sizes=("toy",), training_steps=0)

    assert found.failures == []
    assert "not implemented for 'Half'" in found.not_run[0].reason


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
def test_a_case_is_what_it_promises(case):
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
    found = {case.name: case for case in cases.standard_cases((), seed=0)}
    traces = {
        name: two_layer.intermediates(case.parameters, case.inputs, case.labels, case.regularization)
        for name, case in found.items()
    }

    kink = traces["kink"]
    assert ((kink.z2 == 0) & (kink.da2 != 0)).sum() > 5
    assert traces["large-logits"].scores.max() > 1e4
    assert traces["large-logits"].scores.min() < -1e4
    top = traces["large-logits"].scores.topk(2).values
    assert (top[:, 0] == top[:, 1]).any()
    assert traces["confident"].dz3.norm() < 1e-3 * traces["confident"].probabilities.norm()
    assert traces["single-class"].loss == 0
    assert not traces["dead-units"].w1.any()
    assert traces["dead-units"].b2.any()


# ---- measures and gates


def test_measures_of_a_known_difference():
    errors = measure(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0]).double(), scale=5.0, dtype=torch.float32)

    assert errors.shape == (2,)
    assert errors.largest == 4
    assert errors.max_abs_error == 0.5
    assert errors.normwise_error == pytest.approx(0.1)
    assert errors.ulp_error == pytest.approx(0.5 / (4 * 2**-23))
    assert errors.cosine == pytest.approx((9 + 18) / (5 * math.hypot(3, 4.5)))
    assert errors.rmse == pytest.approx(0.5 / math.sqrt(2))


def test_zero_must_be_met_by_zero():
    assert ratio(0.0, 0.0) == 0
    assert ratio(1e-300, 0.0) == math.inf
    zero = torch.zeros(3).double()
    almost = measure(torch.tensor([0.0, 0, 1e-30]), zero, scale=2.0, dtype=torch.float32)

    assert judge(measure(zero, zero, 2.0, torch.float32), torch.float32, scale=2.0).verdict == "pass"
    assert "where the reference is zero" in judge(almost, torch.float32, scale=2.0).reason


def test_the_three_way_rule_follows_autograd():
    reference = torch.ones(4).double()
    errors = measure(reference + 0.1, reference, scale=2.0, dtype=torch.bfloat16)

    assert judge(errors, torch.bfloat16, scale=2.0, autograd_rmse=0.04).verdict == "pass"
    assert judge(errors, torch.bfloat16, scale=2.0, autograd_rmse=0.02).verdict == "FAIL"
    assert judge(errors, torch.bfloat16, scale=2.0, autograd_rmse=math.nan).verdict == "shown"


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_fails(wrong):
    errors = measure(torch.tensor([1.0, wrong]), torch.ones(2).double(), scale=1.0, dtype=torch.float32)

    assert judge(errors, torch.float32, scale=1.0, autograd_rmse=1.0).reason == "not finite"


def test_a_flipped_mask_fails_from_float32_up():
    flips = mask_flips(torch.tensor([[1.0, -1e-9]]), torch.tensor([[1.0, 1e-9]]).double())
    exact = measure(torch.ones(2), torch.ones(2).double(), scale=1.0, dtype=torch.float32)

    assert flips == 1
    assert judge(exact, torch.float32, scale=1.0, flips=flips).reason == "1 ReLU masks flipped"
    assert judge(exact, torch.bfloat16, scale=1.0, autograd_rmse=0.0, flips=flips).verdict == "pass"


def test_a_cancelled_gradient_is_measured_by_its_terms():
    case = cases.confident(seed=0)
    problem = (case.parameters, case.inputs, case.labels, case.regularization)
    trace = two_layer.intermediates(*problem)
    chosen = scales(*problem, trace)

    onehot = torch.nn.functional.one_hot(case.labels, trace.probabilities.shape[1])
    terms = (trace.probabilities + onehot) / len(case.labels)
    assert chosen["dz3"] == pytest.approx(float(terms.norm()), rel=1e-3)
    assert chosen["w2"] == pytest.approx(float((trace.a2.T @ terms).norm()), rel=1e-3)
    assert chosen["w2"] <= float(trace.a2.norm() * terms.norm()) * (1 + 1e-3)
    assert chosen["scores"] == float(trace.scores.norm())


def test_an_ordinary_gradient_is_measured_by_itself():
    case = cases.standard_cases((REPORT,), seed=0)[0]
    problem = (case.parameters, case.inputs, case.labels, case.regularization)
    trace = two_layer.intermediates(*problem)

    for name, scale in scales(*problem, trace).items():
        assert scale == pytest.approx(float(getattr(trace, name).norm())), name


# ---- precision


def test_ten_mantissa_bits():
    x = torch.tensor([1 + 2.0**-10, 1 + 2.0**-11 + 2.0**-12, 1 + 2.0**-12, -3.0])

    assert round_to_tf32(x).tolist() == [1 + 2.0**-10, 1 + 2.0**-10, 1.0, -3.0]
    assert torch.equal(round_to_tf32(x.double()), x.double())


def test_precision_is_put_back():
    torch.set_float32_matmul_precision("high")
    with full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "high"


def test_imitated_tf32_rounds_products_alone():
    a = torch.tensor([[1 + 2.0**-12]])
    with tf32("cpu"):
        assert (a @ a).item() == 1
        assert (a * 1).item() == 1 + 2.0**-12
    assert (a @ a).item() > 1


# ---- any shape, any values


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 6),
    d=st.integers(1, 7),
    h=st.integers(1, 8),
    c=st.integers(1, 5),
    size=st.sampled_from([1.0, 30.0, 1e3]),
    whole=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_witnesses_agree_on_anything(seed, n, d, h, c, size, whole):
    """Duplicated rows, dead units, zeros at the kink (a whole first layer), extreme logits (size).

    The second layer is never whole: such sums can vanish by chance, in one order of rounding only.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, rounded=False):
        x = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return x.round() if rounded else x

    parameters = Parameters(draw(d, h, rounded=whole), draw(h, rounded=whole), size * draw(h, c), draw(c))
    inputs = draw(n, d, rounded=whole)
    inputs[-1] = inputs[0]
    labels = torch.randint(c, (n,), generator=generator)
    case = cases.Case("drawn", parameters, inputs, labels, 0.01, smooth=False)
    found = compare_module.Comparison()

    compare_module._compare_case(case, ("cpu",), ("float64",), found, 0, False, lambda step: None)

    # a sum may come to an exact zero by chance, in one order of rounding and not in another; such a zero,
    # though not one whose terms are zero, may be missed by the rounding of its terms
    by_chance = {id(row) for row in found.rows if row.largest == 0 and row.share is not None and row.share <= 1}
    assert [str(row) for row in found.rows if row.verdict == "FAIL" and id(row) not in by_chance] == []
