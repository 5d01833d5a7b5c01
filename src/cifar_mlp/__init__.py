"""Fully connected networks on CIFAR-10, with gradients also written by hand and proven right."""

__version__ = "0.1.0"
