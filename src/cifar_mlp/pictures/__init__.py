"""Pictures of a network: pure functions from tensors to figures. They know of no trainer and no file."""
