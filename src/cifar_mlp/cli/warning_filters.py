"""What Lightning says on every run and what does not apply here, each with its reason."""

import logging
import warnings


def quiet() -> None:
    """Silence what Lightning says on every run and what does not apply here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r"(?s).*does not have many workers.*",  # a batch is one index operation: workers would only copy it
        r"(?s).*Checkpoint directory .* exists and is not empty.*",  # a run's folder holds two checkpoints
        r"(?s).*The number of training batches .* is smaller than the logging interval.*",
        r"(?s).*The dirpath has changed from .*",  # resumed under another root, the search for the best starts again
        r"(?s).*callbacks used to create the checkpoint need to be provided.*",  # test and predict train nothing
        r"(?s).*You are using a custom batch sampler `SequentialOrder`.*",  # it gives every index once
        r"(?s).*`isinstance\(treespec, LeafSpec\)` is deprecated.*",  # Lightning's own, on recent PyTorch
    ):
        warnings.filterwarnings("ignore", message=message)


def one_line_warnings() -> None:
    """Show a warning as one line, without the source line that raised it."""
    warnings.formatwarning = lambda message, *_, **__: f"cifar-mlp: warning: {message}\n"
