"""Does the comparison catch planted faults? Each is planted once per device and dtype."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from cifar_mlp.parity.evidence.cases import standard_cases
from cifar_mlp.parity.evidence.deep import DeepCase, deep_cases, deep_rows
from cifar_mlp.parity.evidence.reference import Reference, hand_rows
from cifar_mlp.parity.evidence.rows import Row, short
from cifar_mlp.parity.faults import FAULTS, Fault, planted

PLANTED = "planted fault"
SIZES = ("64-48-10:57",)


def self_test_rows(device: str, dtypes: Sequence[torch.dtype], seed: int) -> Iterator[Row]:
    """Plant every fault; a row names the fault and the tensors that failed, or the case that missed it."""
    references = [Reference(case) for case in standard_cases(SIZES, seed)]
    networks = deep_cases(seed)
    for dtype in dtypes:
        for name, fault in FAULTS.items():
            if short(dtype) not in fault.dtypes:
                continue
            failed: dict[str, list[str]] = {}
            with planted(name):
                for case, compared in _comparisons(fault, references, networks, device, dtype):
                    failed[case] = [row.tensor for row in compared if row.verdict == "FAIL"]
                    if failed[case] and not fault.everywhere:
                        break  # once is enough
            tensors = dict.fromkeys(tensor.split()[-1] for found in failed.values() for tensor in found)
            blind = [case for case, found in failed.items() if not found]
            missed = blind if fault.everywhere else [] if tensors else ["every case"]
            yield Row(
                PLANTED, name, device, short(dtype), ", ".join(tensors) or "no tensor",
                "FAIL" if missed else "pass", f"missed in {', '.join(missed)}" if missed else "",
            )  # fmt: skip


def _comparisons(
    fault: Fault, references: list[Reference], networks: list[DeepCase], device: str, dtype: torch.dtype
) -> Iterator[tuple[str, Iterable[Row]]]:
    """The cases in which the fault may show, each compared when it is asked for."""
    for reference in references if fault.tensors else ():
        if not fault.everywhere or reference.expected["dz3"].value.any():
            yield reference.case.name, hand_rows(reference, device, dtype)
    for case in networks:
        if _shows(fault, case.layers):
            yield f"{case.activation}, {case.form}", deep_rows(case, device, dtype)


def _shows(fault: Fault, layers: set[str]) -> bool:
    """Whether to try a deep network: those with the layer, but one for the layers that every network has."""
    plain = not any("_normalization" in layer for layer in layers) and "relu" in layers
    return fault.layer in layers and (fault.everywhere or not fault.tensors or plain)
