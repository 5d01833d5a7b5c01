"""A search for settings: every trial is an ordinary ``cifar-mlp fit`` in a process of its own."""
