"""The steps of an optimizer, without what PyTorch looks up anew before each of them."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim import optimizer as torch_optimizer

CAPTURE_CHECKS = ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check")  # now; before 2.15


def lean_optimizer(optimizer: Optimizer) -> "Optimizer | FusedAdam":
    """What takes the same steps with less around them: a :class:`FusedAdam` where there is one, else the optimizer."""
    return FusedAdam(optimizer) if type(optimizer) in (Adam, AdamW) and _is_plain(optimizer) else optimizer


def spare_capture_check(optimizer: Any) -> None:
    """Keep an optimizer on the CPU from asking before each step whether a GPU records it.

    Once Lightning is imported, PyTorch's builds for GPUs answer that on a machine without one by searching for NVIDIA's
    library, every time anew: a tenth of a millisecond beside a small network's step, a quarter beside a large one's.
    """
    for check in CAPTURE_CHECKS:
        if hasattr(optimizer, check):
            setattr(optimizer, check, lambda: None)


class Group(NamedTuple):
    """A parameter group and its state, one entry a parameter."""

    settings: dict[str, Any]
    parameters: list[Tensor]
    first_moments: list[Tensor]
    second_moments: list[Tensor]
    steps: list[Tensor]


class FusedAdam:
    """Steps of PyTorch's fused Adam or AdamW on the CPU, bit for bit, with less around them.

    Everything stays in the optimizer: its settings are read at each step, its state is changed in place. Only the lists
    of tensors are kept from step to step, until the optimizer is given other state or parameters.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._state: Any = None
        self._groups: list[Group] = []

    def zero_grad(self) -> None:
        """Free all gradients."""
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step."""
        gradients = [[parameter.grad for parameter in group["params"]] for group in self._optimizer.param_groups]
        if not self._is_known() or any(gradient is None for of_group in gradients for gradient in of_group):
            self._optimizer.step()  # makes the state that there is not yet, and steps where some have no gradient
            return
        self._optimizer._opt_called = True  # type: ignore[attr-defined]  # which schedules look for
        for group, of_group in zip(self._groups, gradients, strict=True):
            settings = group.settings
            fused_step = torch._fused_adamw_ if settings["decoupled_weight_decay"] else torch._fused_adam_
            torch._foreach_add_(group.steps, 1)
            fused_step(
                group.parameters, of_group, group.first_moments, group.second_moments, [], group.steps,
                amsgrad=False, lr=settings["lr"], beta1=settings["betas"][0], beta2=settings["betas"][1],
                weight_decay=settings["weight_decay"], eps=settings["eps"], maximize=settings["maximize"],
            )  # fmt: skip

    def _is_known(self) -> bool:
        state, groups = self._optimizer.state, self._optimizer.param_groups
        if self._state is state and len(self._groups) == len(groups):
            return True
        if any(
            name not in state.get(parameter, {}) for group in groups for parameter in group["params"] for name in STATE
        ):
            return False
        self._state = state
        self._groups = [
            Group(
                group, group["params"], *([state[parameter][name] for parameter in group["params"]] for name in STATE)
            )
            for group in groups
        ]
        return True


STATE = ("exp_avg", "exp_avg_sq", "step")


def _is_plain(optimizer: Optimizer) -> bool:
    """Whether its steps are nothing but fused steps of float32 tensors on the CPU."""
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        torch_optimizer._global_optimizer_pre_hooks,
        torch_optimizer._global_optimizer_post_hooks,
    )
    step = vars(optimizer).get("step")
    return (
        not any(hooks)
        and (step is None or hasattr(step, "_wrapped_by_lr_sched"))  # a schedule's wrapper only takes note
        and all(_is_fused_alone(group) for group in optimizer.param_groups)
    )


def _is_fused_alone(group: dict[str, Any]) -> bool:
    return (
        bool(group["fused"])
        and not group["amsgrad"]
        and not any(isinstance(value, Tensor) for value in (group["lr"], *group["betas"]))
        and all(p.device.type == "cpu" and p.dtype == torch.float32 for p in group["params"])
    )
