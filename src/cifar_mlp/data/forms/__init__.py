"""The forms in which people keep a CIFAR set, read to the same images."""
