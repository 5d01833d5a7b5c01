#!/usr/bin/env python
"""A small file for use alone: a run's last epoch without what training needs, its large matrices in int8, tested so.

python scripts/shrink.py RUN src/cifar_mlp/checkpoints/small.ckpt
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cifar_mlp.callbacks.run_record import records
from cifar_mlp.cli import USER_ERRORS, run
from cifar_mlp.common.atomic_write import replacing, write_whole
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.models.int8_weights import quantize_matrices
from cifar_mlp.training.checkpoint import read_checkpoint
from cifar_mlp.training.checkpoint_pictures import checkpoint_of

LARGE = 10_000  # entries
KEPT = ("epoch", "global_step", "loops", "pytorch-lightning_version", "hyper_parameters", "cifar_mlp",
        "hparams_name", "datamodule_hparams_name", "datamodule_hyper_parameters")  # fmt: skip
OF_THE_RUN = ("commit", "date", "device", "python", "torch", "lightning", "cifar_mlp", "seed", "precision", "steps",
        "fit_seconds")  # fmt: skip
ACCURACIES = ("val/accuracy", "val/accuracy_views18", "test/accuracy", "test/accuracy_views18")


def shrunk(folder: Path) -> dict[str, Any]:
    """What of a finished run's last checkpoint is kept; paths of the machine are not.

    Raises:
        ValueError: If the run is not finished.
    """
    if not (folder / "results.json").is_file():
        raise ValueError(f"{folder} holds no results.json: the run is not finished, or not one of scripts/fit.sh")
    content, record = read_checkpoint(str(checkpoint_of(folder, "last"))), records(folder)[-1]
    kept = {name: content[name] for name in KEPT if name in content}
    kept["datamodule_hyper_parameters"] |= {"root": None, "mirror": None, "cache_dir": "~/.cache/cifar_mlp"}
    kept["state_dict"] = {name: tensor.clone() for name, tensor in content["state_dict"].items()}
    quantize_matrices(kept, LARGE)
    kept["provenance"] = {name: record[name] for name in OF_THE_RUN}
    return kept


def measured(path: Path) -> dict[str, float]:
    """Validation and test accuracy of a file, from byte images."""
    found: dict[str, float] = {}
    for command in ("validate", "test"):
        metrics = run([command, "--ckpt_path", str(path)]).trainer.callback_metrics
        found |= {name: round(float(metrics[name]), 6) for name in ACCURACIES if name in metrics}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Shrink; a mistake is one line and exit code 1."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("output", type=Path, metavar="FILE", help="the small checkpoint")
    options = parser.parse_args(arguments)
    try:
        kept = shrunk(options.run)
        with replacing(options.output) as unfinished:
            torch.save(kept, unfinished)
            kept["accuracy"] = measured(unfinished)
            torch.save(kept, unfinished)
    except USER_ERRORS as error:
        print(f"shrink.py: {error}", file=sys.stderr)
        return 1
    origin = {"config": options.run.resolve().parent.name, "bytes": options.output.stat().st_size}
    origin |= {"accuracy": kept["accuracy"], "provenance": kept["provenance"]}
    write_whole(json.dumps(origin, indent=2) + "\n", options.output.with_suffix(".json"))
    print(f"{options.output}: {origin['bytes']:,} bytes, {origin['accuracy']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
