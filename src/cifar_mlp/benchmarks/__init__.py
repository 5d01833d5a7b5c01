"""Speed measurements: every implementation trains the same network on the same images."""
