"""The network and its hand-derived gradients, without autograd, and the evidence that they are right."""
