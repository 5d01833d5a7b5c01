"""Questions 1, 2 and 3a: the report's toy, computed in a second."""

from typing import Any

import torch

from cifar_mlp.common.provenance import provenance
from cifar_mlp.parity.evidence.toy_figures import toy_figures


def toy_results() -> dict[str, Any]:
    """Every figure of the toy beside the report's, the 100 losses of Figure 1, and where they were computed."""
    figures, losses = toy_figures()
    return {
        "figures": [{**figure._asdict(), "prints_the_same": figure.prints_the_same} for figure in figures],
        "losses": losses,
        "provenance": provenance(torch.device("cpu")),
    }
