"""What every test stands on: known numerics, restored afterwards."""

import pytest
import torch


@pytest.fixture(autouse=True)
def numerics():
    """Seeded, float32 by default, no TF32; what was found is put back."""
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_default_dtype(dtype)
    torch.set_float32_matmul_precision(precision)
