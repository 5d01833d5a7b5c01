"""Seconds of a repeated call."""

import time
from collections.abc import Callable

import torch


def seconds_a_call(call: Callable[[], object], calls: int, device: str) -> float:
    """The mean over some calls, until the device has finished them."""
    _finish(device)
    started = time.perf_counter()
    for _ in range(calls):
        call()
    _finish(device)
    return (time.perf_counter() - started) / calls


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
