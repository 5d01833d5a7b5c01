"""The parts of the comparison: cases, measures, gates, witnesses and what is printed of them."""
