"""Who agrees with whom, by how much: every tensor, on every device, in every dtype, against one reference.

The reference is the calculation by hand in float64 on the CPU. Autograd, NumPy and central differences vouch
for it; then it judges the calculation by hand everywhere else. What is compared are the public functions of
:mod:`cifar_mlp.parity.two_layer`, looked up when called.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence import autograd, witnesses
from cifar_mlp.parity.evidence.cases import DEFAULT_SIZES, Case, standard_cases
from cifar_mlp.parity.evidence.findings import DEVICES, Comparison, NotRun, failing_as_a_row
from cifar_mlp.parity.evidence.measures import measure
from cifar_mlp.parity.evidence.precision import full_precision, tf32
from cifar_mlp.parity.evidence.reference import Reference
from cifar_mlp.parity.evidence.rows import Row
from cifar_mlp.parity.evidence.trajectories import compare_training, run_twice
from cifar_mlp.parity.two_layer import Parameters

DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}
FLOAT16_CPU_LIMIT = 10**8
"""Multiply-adds; above it one float16 product on a CPU can take ten seconds."""


def missing(device: str) -> str:
    """Why a device cannot be used on this machine, or ``""``."""
    if device == "cuda" and not torch.cuda.is_available():
        return "no NVIDIA GPU on this machine"
    if device == "mps" and not torch.backends.mps.is_available():
        return "no Apple GPU on this machine"
    return ""


def compare(
    devices: Sequence[str] = DEVICES,
    dtypes: Sequence[str] = tuple(DTYPES),
    sizes: Sequence[str] = DEFAULT_SIZES,
    seed: int = 0,
    *,
    show_tf32: bool = False,
    training_steps: int = 100,
    progress: Callable[[str], None] = lambda step: None,
) -> Comparison:
    """Compare everything with everything.

    Args:
        devices: Of ``cpu``, ``cuda``, ``mps``; an absent one is listed as not run.
        dtypes: Of ``float64``, ``float32``, ``bfloat16``, ``float16``.
        sizes: ``toy``, ``D-H-C`` or ``D-H-C:N``; the special cases come on top of them.
        seed: Of everything that is drawn.
        show_tf32: Add what TF32 costs, without a verdict: the GPU's own, imitated on the CPU.
        training_steps: Of the training comparison; 0 leaves it out.
        progress: Called with a few words before each step.

    Raises:
        ValueError: For an unknown device, dtype or size, naming the option.
    """
    for option, known, given in (("devices", DEVICES, devices), ("dtypes", tuple(DTYPES), dtypes)):
        for name in given:
            if name not in known:
                raise ValueError(f"--{option}: {name!r} is not one of {', '.join(known)}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"--seed: {seed} is not in 0 to 2^63 - 1")
    cases = standard_cases(tuple(sizes), seed)
    result = Comparison(not_run=[NotRun(device, missing(device)) for device in devices if missing(device)])
    present = [device for device in devices if not missing(device)]
    with full_precision():
        for case in cases:
            progress(f"{case.name}: witnesses of the reference")
            _compare_case(case, present, dtypes, result, seed, show_tf32, progress)
        for device in present:
            progress(f"{device}: the same run twice")
            exact = [DTYPES[name] for name in dtypes if name in ("float64", "float32")]
            with failing_as_a_row(result, "repeat", "hand", device, torch.float64):
                result.repeats += run_twice(device, exact)
        if training_steps:
            progress(f"{training_steps} training steps")
            with failing_as_a_row(result, "training", "hand", "every device", torch.float64):
                result.trainings += compare_training(present, training_steps, seed)
    return result


def _compare_case(
    case: Case,
    devices: Sequence[str],
    dtypes: Sequence[str],
    result: Comparison,
    seed: int,
    show_tf32: bool,
    progress: Callable[[str], None],
) -> None:
    with failing_as_a_row(result, case.name, "reference", "cpu", torch.float64):
        reference = Reference(case)
        result.rows += reference.misfits()
        for witness, tensors in witnesses.vouch(case):
            result.rows += reference.judge(witness, "cpu", torch.float64, tensors)
        if case.smooth:
            result.rows += witnesses.differences(case, reference.trace, seed)

        for device in devices:
            for dtype in (DTYPES[name] for name in dtypes):
                what = f"{case.name} on {device} in {dtype}".replace("torch.", "")
                progress(what)
                if reason := _out_of_reach(case, device, dtype):
                    result.not_run.append(NotRun(what, reason))
                    continue
                with failing_as_a_row(result, case.name, "hand", device, dtype):
                    result.rows += _by_hand(case, device, dtype, reference)
                    if show_tf32 and dtype == torch.float32:
                        result.rows += _with_tf32(case, device, reference)


def _out_of_reach(case: Case, device: str, dtype: torch.dtype) -> str:
    if device == "mps" and dtype == torch.float64:
        return "the device has no float64"
    if device == "cpu" and dtype == torch.float16 and case.multiply_adds > FLOAT16_CPU_LIMIT:
        return "a float16 product of this size takes a CPU seconds to minutes"
    return ""


def _by_hand(case: Case, device: str, dtype: torch.dtype, reference: Reference) -> Iterator[Row]:
    """Every public function on one device in one dtype, beside autograd in the same."""
    reference = reference.for_dtype(dtype)
    here = case.to(device, dtype)
    problem = (here.parameters, here.inputs, here.labels, here.regularization)
    autograd_rmse = None
    if dtype != torch.float64:
        rival = autograd.intermediates(*problem)._asdict()
        autograd_rmse = {
            name: measure(tensor, getattr(reference.trace, name), 1.0, dtype).rmse for name, tensor in rival.items()
        }
    for witness, tensors in _public_functions(*problem):
        if witness == "hand: intermediates" and device == "cpu" and dtype == torch.float64:
            continue  # that is the reference itself
        yield from reference.judge(witness, device, dtype, tensors, autograd_rmse)


def _public_functions(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    yield "hand: intermediates", two_layer.intermediates(parameters, inputs, labels, regularization)._asdict()
    loss, gradients = two_layer.loss_and_gradients(parameters, inputs, labels, regularization)
    yield "hand: loss_and_gradients", {"loss": loss, **gradients._asdict()}
    yield "hand: forward", {"scores": two_layer.forward(parameters, inputs)}


def _with_tf32(case: Case, device: str, reference: Reference) -> Iterator[Row]:
    """What TF32 costs, shown without a verdict."""
    reference = reference.for_dtype(torch.float32)
    here = case.to(device, torch.float32)
    with tf32(device):
        trace = two_layer.intermediates(here.parameters, here.inputs, here.labels, here.regularization)
    witness = "hand: TF32" if device == "cuda" else "hand: TF32, simulated"
    yield from reference.judge(witness, device, torch.float32, trace._asdict(), gated=False)
