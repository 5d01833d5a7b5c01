"""One network trained several times: over seeds, over folds, and two of them compared."""
