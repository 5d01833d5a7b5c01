"""What happens around a run: checkpoints, records, pictures, progress."""
