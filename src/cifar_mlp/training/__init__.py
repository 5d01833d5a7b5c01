"""What a training needs beyond Lightning: checkpoints that are enough, precision, fast steps."""
