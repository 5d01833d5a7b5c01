"""All that a comparison found, and what becomes of a calculation that raises."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from cifar_mlp.parity.evidence.rows import Row, failed_call
from cifar_mlp.parity.evidence.trajectories import Repeat, Training

DEVICES = ("cpu", "cuda", "mps")


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


@contextmanager
def failing_as_a_row(result: Comparison, case: str, witness: str, device: str, dtype: torch.dtype) -> Iterator[None]:
    """Let a calculation that raises fail a gate, or count as not run where torch lacks an operation."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if "not implemented for" in str(error):
            what = f"{case} on {device} in {dtype}".replace("torch.", "")
            result.not_run.append(NotRun(what, str(error)))
        else:
            result.rows.append(failed_call(case, witness, device, dtype, error))
