"""The configs of configs/record train, and their networks are fully connected and nothing else."""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from torch import nn

from cifar_mlp.cli import run
from cifar_mlp.models.mlp import ACTIVATIONS, MLP
from tests.long_cases import rest_long

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "record").glob("*.yaml"))
UNIT_BY_UNIT = (*ACTIVATIONS.values(), nn.BatchNorm1d, nn.LayerNorm, nn.Dropout)


def kinds_beyond_fully_connected(network: nn.Module) -> list[str]:
    """Modules that are neither containers, dense affine maps nor functions of one unit or layer."""
    containers = (MLP, nn.ModuleList, nn.Sequential)
    return [
        name for name, module in network.named_modules() if type(module) not in (*containers, nn.Linear, *UNIT_BY_UNIT)
    ]


def places_of_parameters(network: nn.Module) -> list[int]:
    """Where each parameter is, as often as a module has it: twice the same place is a shared weight."""
    return [parameter.data_ptr() for _, parameter in network.named_parameters(remove_duplicate=False)]


@pytest.mark.parametrize(
    "config",
    rest_long(CONFIGS, [c for c in CONFIGS if c.stem in ("cpu_2min", "cpu_60min")]),
    ids=lambda config: config.stem,
)
def test_a_record_network_is_fully_connected_without_shared_weights(small_cifar: Path, config: Path):
    few = ["--data.n_components", "20", "--data.batch_size", "50", "--data.val_size", "50"]
    command = run(["fit", "--config", str(config), *few, "--trainer.fast_dev_run", "1"])
    network = command.model.network
    assert command.trainer.global_step == 1
    assert kinds_beyond_fully_connected(network) == []
    places = places_of_parameters(network)
    assert len(set(places)) == len(places)
    widths = [20, *network.hidden_sizes, 10]
    found = [(layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert found == list(pairwise(widths)), "every unit sees every unit before it"
    assert command.model.preprocessing.pca.components.shape == (20, 3072)


@pytest.mark.parametrize("name", ["cpu_10min", "cpu_60min"])
def test_the_config_of_all_images_is_the_other_one_without_validation(name: str):
    chosen, on_all = (yaml.safe_load((CONFIGS[0].parent / f"{one}.yaml").read_text())
                      for one in (name, f"{name}_all"))  # fmt: skip
    chosen["data"]["val_size"] = 0
    del chosen["trainer"]["check_val_every_n_epoch"]
    assert on_all == chosen


def test_the_inspection_finds_a_convolution_and_a_shared_weight():
    convolution = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Linear(2, 2))
    assert kinds_beyond_fully_connected(convolution) == ["0"]
    layer = nn.Linear(4, 4)
    assert len(set(places_of_parameters(nn.Sequential(layer, nn.ReLU(), layer)))) == 2
    assert len(places_of_parameters(nn.Sequential(layer, nn.ReLU(), layer))) == 4
