"""One epoch in plain PyTorch, written for speed: the baseline of every other implementation."""

import torch
from torch.nn.functional import cross_entropy


def fused_adam(network, lr, weight_decay):
    return torch.optim.Adam(network.parameters(), lr=lr, weight_decay=weight_decay, fused=True)


def train(network, optimizer, inputs, labels, order, batch_size, half):
    """One step for each ``batch_size`` entries of ``order``; ``half``: bfloat16 autocast."""
    for batch in order.split(batch_size):
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=half):
            logits = network(inputs.index_select(0, batch))
            loss = cross_entropy(logits, labels.index_select(0, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss
