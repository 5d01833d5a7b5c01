"""Muon for the weights of the affine maps, AdamW for everything else, as one optimizer."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import AdamW, Muon, Optimizer


class MuonAdamW(Optimizer):
    """PyTorch's ``Muon`` takes matrices alone; here the other parameters follow ``AdamW`` at the same rate and decay.

    Muon orthogonalizes each matrix's momentum (Jordan et al. 2024) and scales the step to the size of AdamW's (Liu et
    al. 2025), so rates that suit AdamW suit both. A step costs ``ns_steps`` times three products of each matrix with
    its own smaller side: it pays with large batches.

    Args:
        params: Parameters or groups of them.
        lr: Learning rate.
        weight_decay: Decoupled, as in AdamW.
        momentum: Of the matrices.
        ns_steps: Newton-Schulz iterations.
        betas: Of AdamW.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        ns_steps: int = 5,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        given = list(params)
        parameters = [one for group in given for one in (group["params"] if isinstance(group, dict) else [group])]
        matrices = [one for one in parameters if one.dim() == 2]
        others = [one for one in parameters if one.dim() != 2]
        shared: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
        parts: list[Optimizer] = []
        if matrices:
            parts.append(Muon(matrices, **shared, momentum=momentum, ns_steps=ns_steps, adjust_lr_fn="match_rms_adamw"))
        if others:
            parts.append(AdamW(others, **shared, betas=(betas[0], betas[1])))
        super().__init__([group for part in parts for group in part.param_groups], shared)
        self._parts = parts
        self._share()

    def _share(self) -> None:
        """Let the parts see this optimizer's groups and state, of which schedules and checkpoints know."""
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step with each."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss
