"""Images from disk to batches of features."""
