"""Measurements of speed: every harness trains the same network on the same images, in turn."""
