"""A cross-validation that was run."""

from pathlib import Path

import pytest

from cifar_mlp.studies import study_command

SMALL = ["--data.source", "digits", "--data.n_components", "6", "--model.hidden_sizes", "[8]"]
SMALL += ["--trainer.max_epochs", "2"]


@pytest.fixture(scope="session")
def cross_validation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two folds on the digits."""
    folder = tmp_path_factory.mktemp("studies") / "cv"
    cache = ["--data.cache_dir", str(folder.parent)]
    study_command.cross_validation(["--folds", "2", "--output", str(folder), *SMALL, *cache])
    return folder
