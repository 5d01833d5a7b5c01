"""Random changes of training images, a whole batch of bytes at a time."""
