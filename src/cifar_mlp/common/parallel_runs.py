"""How many runs this machine bears at a time."""

import os

import torch

MEMORY_OF_A_RUN = 3e9  # bytes: 49,000 images of 3,072 pixels as float32, their bytes, and PyTorch


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs() -> int:
    """One run a core, as far as memory goes: small networks gain little from a second thread. One on a GPU."""
    if torch.cuda.is_available():
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores(), int(memory // MEMORY_OF_A_RUN)))


def threads_of(jobs: int) -> int:
    """Threads that each of so many runs may have."""
    return max(1, cores() // jobs)
