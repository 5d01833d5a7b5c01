"""A page on this machine's browser to try a trained network: ``cifar-mlp demo``."""
