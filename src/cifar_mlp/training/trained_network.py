"""A network of this package, ready to use, from its checkpoint alone."""

from pathlib import Path
from typing import Any

from cifar_mlp.models.classifier import Classifier
from cifar_mlp.training.checkpoint import is_of_this_package, module_class, read_checkpoint


def read_network(path: Path) -> tuple[dict[str, Any], Classifier]:
    """A checkpoint's content, and its network on the CPU, in float32, in evaluation.

    Raises:
        ValueError: If it holds a LightningModule from elsewhere, or is damaged.
    """
    content = read_checkpoint(str(path))
    if not is_of_this_package(content):
        raise ValueError(f"{path} holds a LightningModule from elsewhere: only networks of this package are taken")
    model = module_class(content).load_from_checkpoint(path, map_location="cpu", weights_only=True)
    return content, model.float().eval()
