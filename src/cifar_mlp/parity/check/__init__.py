"""Check anybody's gradients, and say what is wrong with them.

``check.gradients(mine, parameters, inputs, labels)`` for a network that ends in softmax and cross-entropy,
``check.gradients(mine, parameters)`` for any function, ``check.layer(forward, backward, x, w, b)`` for one layer.
"""

from cifar_mlp.parity.check.check_layer import layer
from cifar_mlp.parity.check.entry import gradients
from cifar_mlp.parity.check.report import Report, TensorReport

__all__ = ["Report", "TensorReport", "gradients", "layer"]
