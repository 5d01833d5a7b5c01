"""Image files of any size: a folder to train on, or photos to classify."""
