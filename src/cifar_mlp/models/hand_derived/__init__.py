"""Training steps without autograd: the formulas of ``cifar_mlp.parity``, as fast as PyTorch's own operations allow."""
