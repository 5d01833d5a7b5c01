"""A small CIFAR-10 in its authors' file format, with a table of checksums of its own."""

import dataclasses
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np

from cifar_mlp.data import sources
from cifar_mlp.data.cifar import CIFAR10, CIFARFiles
from cifar_mlp.data.forms.batch_files import Part, Table
from cifar_mlp.data.forms.fingerprints import digests

FOLDER = "cifar-10-batches-py"
ADDRESS = "http://127.0.0.1:9/made.tar.gz"  # nobody listens there
NUM_TRAIN, NUM_TEST, VAL_SIZE = 300, 100, 50


def make_cifar10(root: Path) -> CIFARFiles:
    """Write five training batches and a test batch below ``root``; returns the source that reads them."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    class_means = generator.integers(0, 256, (10, 3072))

    def write(name: str, num_images: int) -> tuple[str, str]:
        labels = (np.arange(num_images) % 10).tolist()
        data = (class_means[labels] + generator.integers(0, 256, (num_images, 3072))) // 2
        batch = {"data": data.astype(np.uint8), "labels": labels, "batch_label": name, "filenames": [name] * num_images}
        content = pickle.dumps(batch, protocol=2)
        (folder / name).write_bytes(content)
        return name, hashlib.md5(content).hexdigest()

    train = [write(f"data_batch_{number}", NUM_TRAIN // 5) for number in range(1, 6)]
    return _source(root, Table(FOLDER, train, [write("test_batch", NUM_TEST)], ADDRESS, "0" * 32))


def _source(root: Path, table: Table) -> CIFARFiles:
    sizes = {"num_train": NUM_TRAIN, "num_test": NUM_TEST, "default_val_size": VAL_SIZE}
    archive = CIFAR10.archive._replace(urls=(ADDRESS,))
    plain = dataclasses.replace(CIFAR10, table=lambda: table, archive=archive, fingerprints={}, **sizes)
    parts: tuple[Part, ...] = ("train", "test")
    fingerprints = {}
    for part in parts:
        images, labels = plain.load(str(root), part, seed=0)
        fingerprints[part] = tuple(digests(images.flatten(1).numpy(), labels.numpy(), len(table.md5s(part))))
    return dataclasses.replace(plain, fingerprints=fingerprints)


def stand_in() -> None:
    """Let ``cifar10`` mean the set made below ``MADE_ROOT``, in this process."""
    root = Path(os.environ["MADE_ROOT"])
    content = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in (root / FOLDER).iterdir()}
    train = [(f"data_batch_{number}", content[f"data_batch_{number}"]) for number in range(1, 6)]
    sources.SOURCES["cifar10"] = _source(
        root, Table(FOLDER, train, [("test_batch", content["test_batch"])], ADDRESS, "0" * 32)
    )


def main() -> None:
    """``MADE_ROOT=... python -m tests.made_cifar fit ...``: the command line in a process of its own, on made data."""
    from cifar_mlp.cli import main as command_line  # others stand in without it, sooner

    stand_in()
    command_line()


if __name__ == "__main__":
    main()
