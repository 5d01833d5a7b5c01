"""A trained network as one file for other programs: byte images in, probabilities out."""
