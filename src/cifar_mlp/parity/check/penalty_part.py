"""Mistakes in what the penalty adds to each gradient, under any loss: answers with a penalty beside those without."""

from dataclasses import replace

import torch
from torch import Tensor

from cifar_mlp.parity.check.central_differences import STEPS, difference
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.relations import combination, sum_words
from cifar_mlp.parity.check.user_function import UserFunction

FEW = 12  # differentiated entries of a tensor
SHARE = 1e-5  # of a difference that may be an error of differences


def of_the_penalty(function: UserFunction, drawn: Drawn) -> list[str]:
    """For each wrong tensor, what the penalty's part is and what it should be."""
    free, layout, said = replace(function, regularization=0.0), function.layout, []
    whole, data, point = function(drawn), free(drawn), layout.flat(drawn)

    def penalty(values: list[Tensor]) -> float:
        return function.loss(drawn, values) - free.loss(drawn, values)

    for index, (name, parameter) in enumerate(zip(layout.names, point, strict=True)):
        entries = torch.linspace(0, parameter.numel() - 1, min(FEW, parameter.numel())).long()
        w = parameter.reshape(-1)[entries]
        added = (whole.gradients[name] - data.gradients[name]).reshape(-1)[entries]
        found = [difference(penalty, point, index, int(entry), STEPS[False][0]) for entry in entries]
        right = torch.tensor(found, dtype=torch.float64)
        if float((added - right).norm()) > SHARE * max(1.0, float(right.norm())):
            terms = {"w": w, "sign(w)": w.sign(), "|w|": w.abs(), "w^2": w * w, "1": torch.ones_like(w)}
            should, is_now = (
                sum_words(combination(one, terms, SHARE)) if bool(one.any()) else "0" for one in (right, added)
            )
            wrong = f"the penalty's part is {is_now or 'wrong'}"
            said.append(f"{name}: {wrong}, and should be {should}" if should else f"{name}: {wrong}")
    return said
