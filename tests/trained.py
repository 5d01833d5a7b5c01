"""Small trained networks, one for each kind of preprocessing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import run

KINDS = {
    "pixels": ["--data.scaling", "standardize", "--model.normalization", "batch"],
    "whitened": ["--data.scaling", "mean_image", "--data.n_components", "6", "--data.whiten", "true"],
    "linear": ["--data.n_components", "6", "--model.hidden_sizes", "[]"],
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The best checkpoint of a network on the digits; each kind is trained once."""
    found: dict[str, Path] = {}

    def checkpoint(kind: str) -> Path:
        if kind not in found:
            small = ["--data.source", "digits", "--model.hidden_sizes", "[7, 5]", "--trainer.max_epochs", "2"]
            root = tmp_path_factory.mktemp(kind)
            options = [*small, *KINDS[kind], "--trainer.default_root_dir", str(root), "--data.cache_dir", str(root)]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Views, "callbacks", lambda self: [])
                found[kind] = Path(run(["fit", *options]).trainer.log_dir) / "checkpoints" / "best.ckpt"
        return found[kind]

    return checkpoint
