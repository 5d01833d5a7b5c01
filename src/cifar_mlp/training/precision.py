"""The default precision of training steps."""

import torch


def suited_precision(accelerator: str) -> str:
    """``bf16-mixed`` on a CPU with bfloat16 units, else ``32-true``.

    Such a CPU computes bfloat16 matmuls faster than float32 ones: docs/performance.md has the speed,
    docs/results.md the accuracy. Without the units, bfloat16 is emulated and slower. On a GPU, small networks wait for
    kernel launches, and mixed precision adds more of them.

    Args:
        accelerator: As the trainer takes it; ``auto`` prefers a GPU.
    """
    graphics = torch.cuda.is_available() or torch.backends.mps.is_available()
    if accelerator == "cpu" or (accelerator == "auto" and not graphics):
        return "bf16-mixed" if has_bfloat16_units() else "32-true"
    return "32-true"


def has_bfloat16_units() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX)."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(unit, False) for unit in ("avx512_bf16", "amx_bf16"))
