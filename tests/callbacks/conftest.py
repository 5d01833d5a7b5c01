"""Two real runs with every view, for the tests that read them back."""

from pathlib import Path

import pytest

from cifar_mlp.cli import fit_and_test as evaluation

NETWORKS = {
    "autograd": ["--model", "Classifier", "--model.gradients", "autograd"],
    "hand": ["--model", "HandwrittenClassifier"],
}
SETTINGS = ["--data.source", "digits", "--data.n_components", "12", "--data.batch_size", "100"]
SETTINGS += ["--model.hidden_sizes", "[9, 7]", "--trainer.max_epochs", "2", "--views.reliability_every_n_epochs", "1"]
SETTINGS += ["--model.initialization", "kaiming", "--model.optimizer", "SGD", "--model.optimizer.lr", "0.1"]
SETTINGS += ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.5"]


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of each kind of network, trained and tested with every view on."""
    root = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("sys.argv", ["cifar-mlp"])
        for model in NETWORKS.values():  # first: the options that follow are its own
            evaluation.fit_and_test([*model, *SETTINGS, "--data.cache_dir", str(root / "cache")])
    return root / "lightning_logs" / "digits-default"
