"""Matrices of a checkpoint as int8."""

import pytest
import torch

from cifar_mlp.models.int8_weights import SCALES, quantize_matrices, restore_matrices


def checkpoint() -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([[1e-3], [1.0], [40.0], [0.0]])
    return {
        "state_dict": {
            "large": torch.randn(4, 300, generator=generator) * rows,
            "small": torch.randn(3, 3, generator=generator),
            "vector": torch.randn(5000, generator=generator),
            "count": torch.zeros(40, 40, dtype=torch.int64),
        }
    }


def test_no_entry_moves_by_more_than_half_a_step_of_its_row():
    before, content = checkpoint()["state_dict"], checkpoint()
    quantize_matrices(content, larger_than=1000)
    state = content["state_dict"]
    assert {name: value.dtype for name, value in state.items() if value.dtype == torch.int8} == {"large": torch.int8}
    assert content[SCALES].keys() == {"large"}
    assert content[SCALES]["large"][3] == 1  # of zeros: not 0, by which nothing can be divided
    restore_matrices(content)
    restored = content["state_dict"]["large"]
    step = before["large"].abs().amax(1, keepdim=True) / 127
    assert ((restored - before["large"]).abs() <= 0.501 * step).all()
    assert not torch.equal(restored, before["large"])
    assert restored[3].eq(0).all()
    assert all(torch.equal(state[name], before[name]) for name in before if name != "large")


@pytest.mark.parametrize("times", [1, 2])
def test_a_checkpoint_without_int8_stays_as_it_is(times: int):
    content = checkpoint()
    for _ in range(times):
        restore_matrices(content)
    assert content.keys() == {"state_dict"}
    assert all(torch.equal(value, checkpoint()["state_dict"][name]) for name, value in content["state_dict"].items())
