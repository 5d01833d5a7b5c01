"""Who agrees with whom, by how much: every tensor, on every device, in every dtype, against one reference.

The reference is the calculation by hand in float64 on the CPU. Autograd, NumPy and central differences vouch
for it; then it judges the calculation by hand everywhere else. What is compared are the public functions of
:mod:`cifar_mlp.parity.two_layer`, looked up when called.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence import autograd, witnesses
from cifar_mlp.parity.evidence.cases import DEFAULT_SIZES, Case, standard_cases
from cifar_mlp.parity.evidence.gates import judge, misfit
from cifar_mlp.parity.evidence.measures import mask_flips, measure
from cifar_mlp.parity.evidence.precision import full_precision, tf32
from cifar_mlp.parity.evidence.rows import Row, failed_call, judged_row, misfit_row
from cifar_mlp.parity.evidence.scales import scales
from cifar_mlp.parity.evidence.trajectories import Repeat, Training, compare_training, run_twice
from cifar_mlp.parity.two_layer import Parameters, Trace

DEVICES = ("cpu", "cuda", "mps")
DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}
FLOAT16_CPU_LIMIT = 10**8
"""Multiply-adds; above it one float16 product on a CPU can take ten seconds."""


class NotRun(NamedTuple):
    """What was not compared, and why; never to be read as passed."""

    what: str
    reason: str


@dataclass
class Comparison:
    """All that a run found."""

    rows: list[Row] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """One line for every gate that failed, naming the tensor."""
        findings: list[Row | Training | Repeat] = [*self.rows, *self.trainings, *self.repeats]
        return [str(finding) for finding in findings if finding.verdict == "FAIL"]

    @property
    def gates(self) -> int:
        """How many verdicts were given; what is only shown is not counted."""
        findings: list[Row | Training | Repeat] = [*self.rows, *self.trainings, *self.repeats]
        return sum(finding.verdict != "shown" for finding in findings)


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
            with _failing_as_a_row(result, "repeat", "hand", device, torch.float64):
                result.repeats += run_twice(device, exact)
        if training_steps:
            progress(f"{training_steps} training steps")
            with _failing_as_a_row(result, "training", "hand", "every device", torch.float64):
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
    with _failing_as_a_row(result, case.name, "reference", "cpu", torch.float64):
        reference = _Reference(case)
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
                with _failing_as_a_row(result, case.name, "hand", device, dtype):
                    result.rows += _by_hand(case, device, dtype, reference)
                    if show_tf32 and dtype == torch.float32:
                        result.rows += _with_tf32(case, device, reference)


@contextmanager
def _failing_as_a_row(
    result: Comparison, case: str, witness: str, device: str, dtype: torch.dtype
) -> Iterator[None]:
    """Let a calculation that raises fail a gate, or count as not run where torch lacks an operation."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if "not implemented for" in str(error):
            what = f"{case} on {device} in {dtype}".replace("torch.", "")
            result.not_run.append(NotRun(what, str(error)))
        else:
            result.rows.append(failed_call(case, witness, device, dtype, error))


def _out_of_reach(case: Case, device: str, dtype: torch.dtype) -> str:
    if device == "mps" and dtype == torch.float64:
        return "the device has no float64"
    if device == "cpu" and dtype == torch.float16 and case.multiply_adds > FLOAT16_CPU_LIMIT:
        return "a float16 product of this size takes a CPU seconds to minutes"
    return ""


class _Reference:
    """The calculation by hand in float64 on the CPU, on the numbers that a dtype can hold."""

    def __init__(self, case: Case) -> None:
        self.case = case
        problem = (case.parameters, case.inputs, case.labels, case.regularization)
        self.given = two_layer.intermediates(*problem)
        self.trace = Trace(*(tensor.double() for tensor in self.given))
        self.scales = scales(*problem, self.trace)

    def misfits(self) -> Iterator[Row]:
        """A row for every tensor of the reference that is no float64 tensor on the CPU."""
        for name, tensor in self.given._asdict().items():
            if reason := misfit(tensor, tensor.shape, torch.float64, "cpu"):
                yield misfit_row(self.case.name, "reference", "cpu", torch.float64, name, reason)

    def judge(
        self,
        witness: str,
        device: str,
        dtype: torch.dtype,
        tensors: Mapping[str, Tensor],
        autograd_rmse: Mapping[str, float] | None = None,
        gated: bool = True,
    ) -> Iterator[Row]:
        """Judge every tensor of one witness."""
        flips = mask_flips(tensors["z2"], self.trace.z2) if "z2" in tensors else None
        for name, tensor in tensors.items():
            expected, scale = getattr(self.trace, name), self.scales[name]
            if reason := misfit(tensor, expected.shape, dtype, device):
                yield misfit_row(self.case.name, witness, device, dtype, name, reason)
                continue
            errors = measure(tensor, expected, scale, dtype)
            rival = autograd_rmse[name] if autograd_rmse else None
            flipped = (flips or 0) if name == "z2" else 0
            verdict = judge(errors, dtype, scale=scale, autograd_rmse=rival, flips=flipped)
            place = (self.case.name, witness, device, dtype, name)
            yield judged_row(*place, errors, flips, verdict, rival, gated)


def _by_hand(case: Case, device: str, dtype: torch.dtype, reference: _Reference) -> Iterator[Row]:
    """Every public function on one device in one dtype, beside autograd in the same."""
    if not _holds(case, dtype):
        reference = _Reference(case.rounded(dtype))
    here = case.to(device, dtype)
    problem = (here.parameters, here.inputs, here.labels, here.regularization)
    autograd_rmse = None
    if dtype != torch.float64:
        rival = autograd.intermediates(*problem)._asdict()
        autograd_rmse = {
            name: measure(tensor, getattr(reference.trace, name), 1.0, dtype).rmse
            for name, tensor in rival.items()
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


def _with_tf32(case: Case, device: str, reference: _Reference) -> Iterator[Row]:
    """What TF32 costs, shown without a verdict."""
    if not _holds(case, torch.float32):
        reference = _Reference(case.rounded(torch.float32))
    here = case.to(device, torch.float32)
    mode: AbstractContextManager[None] = tf32(device) if device != "mps" else nullcontext()
    with mode:
        trace = two_layer.intermediates(here.parameters, here.inputs, here.labels, here.regularization)
    witness = "hand: TF32" if device == "cuda" else "hand: TF32, simulated"
    yield from reference.judge(witness, device, torch.float32, trace._asdict(), gated=False)


def _holds(case: Case, dtype: torch.dtype) -> bool:
    rounded = case.rounded(dtype)
    pairs = zip((*case.parameters, case.inputs), (*rounded.parameters, rounded.inputs), strict=True)
    return all(torch.equal(before, after) for before, after in pairs)
