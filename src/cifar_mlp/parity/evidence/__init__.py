"""Parts of the comparison: test cases, references, tolerances."""
