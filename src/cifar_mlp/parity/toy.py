"""The report's toy problem and the results printed with it.

Data and weights come from NumPy's legacy generator, whose streams never change: seed 1 draws the inputs; seed 0
draws ``w1``, then ``w2``, then the batches of the toy training.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.parity.two_layer import Parameters

# Shape legend: N = 5 examples, D = 4 input features, H = 10 hidden units, C = 3 classes

CORRECT_PROBABILITIES = (
    (0.36446210, 0.22911264, 0.40642526),
    (0.47590629, 0.17217039, 0.35192332),
    (0.43035767, 0.26164229, 0.30800004),
    (0.41583127, 0.29832280, 0.28584593),
    (0.36328815, 0.32279939, 0.31391246),
)
CORRECT_LOSS = 1.30378789133  # with REGULARIZATION
REGULARIZATION = 0.05
TRAINING = {"learning_rate": 0.1, "decay": 0.95, "decay_every": 1, "regularization": 5e-6}


class ToyProblem(NamedTuple):
    """The problem, in float64 on the CPU, and the generator after drawing the weights."""

    parameters: Parameters
    inputs: Tensor  # (N, D)
    labels: Tensor  # (N,)
    correct_probabilities: Tensor  # (N, C), softmax of the scores, to 8 decimals
    correct_loss: float  # with REGULARIZATION, to 11 decimals
    generator: np.random.RandomState

    def batches(self, steps: int = 100, size: int = 200) -> list[Tensor]:
        """The generator's next index batches ``(size,)``, drawn with replacement from the N examples."""
        draw = self.generator.choice
        return [torch.from_numpy(draw(len(self.labels), size, replace=True)) for _ in range(steps)]


def toy_problem() -> ToyProblem:
    """Draw the toy problem; every call returns the same one."""
    inputs_ND = 10 * np.random.RandomState(1).randn(5, 4)
    generator = np.random.RandomState(0)
    w1_DH = 0.1 * generator.randn(4, 10)
    w2_HC = 0.1 * generator.randn(10, 3)
    weights = (torch.from_numpy(array) for array in (w1_DH, np.zeros(10), w2_HC, np.zeros(3)))
    return ToyProblem(
        parameters=Parameters(*weights),
        inputs=torch.from_numpy(inputs_ND),
        labels=torch.tensor([0, 1, 2, 2, 1]),
        correct_probabilities=torch.tensor(CORRECT_PROBABILITIES, dtype=torch.float64),
        correct_loss=CORRECT_LOSS,
        generator=generator,
    )
