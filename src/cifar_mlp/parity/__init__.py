"""The network and its gradients by hand, without autograd, and the evidence that they are right."""
