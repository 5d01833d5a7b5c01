"""Does the comparison catch planted faults? Each is planted once per device and dtype."""

from collections.abc import Iterator, Sequence

import torch

from cifar_mlp.parity.evidence.cases import standard_cases
from cifar_mlp.parity.evidence.reference import Reference, hand_rows
from cifar_mlp.parity.evidence.rows import Row, short
from cifar_mlp.parity.faults import FAULTS, planted

PLANTED = "planted fault"
SIZES = ("64-48-10:57",)


def self_test_rows(device: str, dtypes: Sequence[torch.dtype], seed: int) -> Iterator[Row]:
    """Plant every fault of the two-layer network; a row names the fault and the tensors that failed."""
    references = [Reference(case) for case in standard_cases(SIZES, seed)]
    for dtype in map(short, dtypes):
        for name, fault in FAULTS.items():
            if not fault.tensors or dtype not in fault.dtypes:
                continue
            with planted(name):
                rows = [row for one in references for row in hand_rows(one, device, getattr(torch, dtype))]
            failed = dict.fromkeys(row.tensor for row in rows if row.verdict == "FAIL")
            caught = bool(failed)
            yield Row(
                PLANTED, name, device, dtype, ", ".join(failed) or "no tensor",
                "pass" if caught else "FAIL", "" if caught else "missed",
            )  # fmt: skip
