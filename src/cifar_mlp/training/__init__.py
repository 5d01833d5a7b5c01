"""What training needs beyond Lightning: self-contained checkpoints, precision, a faster loop."""
