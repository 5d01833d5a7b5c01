"""The C library's allocator, kept from handing memory back between training steps."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST_KEPT = 32 * 2**20  # bytes of one block; the most that glibc lets the mapping threshold be
KEPT = 512 * 2**20  # bytes


def keep_freed_memory() -> bool:
    """Keep up to 512 MiB of freed memory for the next allocations, in blocks of up to 32 MiB.

    Left alone, glibc gives freed gradients back now and then, and the next step takes their memory page by page again:
    hundreds of page faults, each a microsecond and more on a virtual machine. Larger blocks, such as what fitting a PCA
    takes, still go back at once.

    Returns:
        Whether this process uses glibc and it agreed.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    tune = ctypes.CDLL(None).mallopt
    return bool(tune(M_MMAP_THRESHOLD, LARGEST_KEPT) and tune(M_TRIM_THRESHOLD, KEPT))
