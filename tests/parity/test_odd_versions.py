"""Networks that no formula of the checker describes: wrong ones are found and named, right ones not accused."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cifar_mlp.parity import check
from tests.parity.odd_versions import BASES, WRONG

pytestmark = pytest.mark.parity

N, D, H, K, C = 9, 6, 8, 7, 5
WIDTHS = {
    **dict.fromkeys(("softsign", "hardtanh", "owndrop", "relu6"), (D, H, K, C)),
    "residual": (D, H, H, H, C),
    "block": (D, H, K, H, C),
    **dict.fromkeys(("post", "shared"), (D, H, H, C)),
    "padded": (D, K, H, C),
}

RECOGNISED = {"prepared": ["found from the loss: the inputs are standardized by feature"], "plainbn": []}


def parameters(base: str) -> Any:
    widths = WIDTHS.get(base, (D, H, C))
    kind = torch.from_numpy if base in ("swish", "block") else np.asarray
    named: dict[str, Any] = {}
    for number, (i, o) in enumerate(pairwise(widths), 1):
        turned = (o, i) if base == "swish" else (i, o)
        names = (f"fc{number}.weight", f"fc{number}.bias") if base == "swish" else (f"W{number}", f"b{number}")
        named |= dict(zip(names, (kind(np.zeros(turned)), kind(np.zeros(o))), strict=True))
    values = list(named.values())
    if base in ("block", "relu6", "shared"):
        return list(zip(values[::2], values[1::2], strict=True))
    return values if base == "hardtanh" else SimpleNamespace(**named) if base == "plainbn" else named


def report_of(base: str, before: str = "", after: str = "") -> check.Report:
    source = BASES[base]
    if before:
        assert source.count(before) == 1
        source = source.replace(before, after)
    space: dict[str, Any] = {}
    exec(source, space)
    inputs, labels = np.zeros((N, D)), np.arange(N) % C
    given = (torch.from_numpy(inputs), torch.from_numpy(labels)) if base in ("swish", "block") else (inputs, labels)
    return check.gradients(space["mine"], parameters(base), *given, regularization=0.05)


@pytest.mark.parametrize("base", BASES)
def test_no_right_one_is_accused(base: str):
    report = report_of(base)
    assert report.verdict == ("right" if base in RECOGNISED else "another function")
    assert set(RECOGNISED.get(base, [])) <= set(report.notes)


OFTEN = list({wrong[0]: wrong for wrong in reversed(WRONG)}.values())[::2]  # the first of every other network


@pytest.mark.parametrize(
    ("base", "before", "after", "what", "words"),
    [pytest.param(*wrong, id=wrong[3], marks=() if wrong in OFTEN else pytest.mark.long) for wrong in WRONG],
)
def test_a_wrong_one_is_found_and_its_cause_named(base: str, before: str, after: str, what: str, words: str):
    report = report_of(base, before, after)
    assert report.verdict == "wrong"
    assert words in report.cause
