"""How long runs will take: as long as they took before, else by this machine's speed at a network's arithmetic."""

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml

from cifar_mlp.common.results import Row
from cifar_mlp.models.mlp import MLP
from cifar_mlp.reproduction.plan import Planned
from cifar_mlp.training.precision import suited_precision

PIXELS, CLASSES, IMAGES, BATCH = 3072, 10, 49_000, 200
AROUND = 14.0  # seconds of a run beside its training: start, features, two tests; measured
BESIDE_ARITHMETIC = 0.35  # seconds an epoch: batches, metrics, validation; measured
CALIBRATION_STEPS, CALIBRATION_WIDTHS = 12, (550, 128)


def macs_of_an_epoch(settings: dict[str, Any]) -> tuple[float, float]:
    """Multiply-adds of one epoch's forward passes, and how many epochs a card asks for.

    Args:
        settings: A card with its changes, nested as in YAML.
    """
    model = settings["model"].get("init_args", settings["model"])
    components = settings["data"].get("n_components")
    widths = [PIXELS if components is None else components, *model["hidden_sizes"], CLASSES]
    macs = sum(before * after for before, after in pairwise(widths))
    trainer = settings["trainer"]
    steps = trainer.get("max_steps", -1)
    epochs = steps * BATCH / IMAGES if steps > 0 else trainer["max_epochs"]
    return float(macs) * IMAGES, epochs


def settings_of(card: Path, options: Sequence[str]) -> dict[str, Any]:
    """A card's settings with options laid over them."""
    settings: dict[str, Any] = yaml.safe_load(card.read_text())
    for option, value in zip(options[::2], options[1::2], strict=True):
        section, *names = option.removeprefix("--").split(".")
        place = (
            settings[section].setdefault("init_args", {}) if "class_path" in settings[section] else settings[section]
        )
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = yaml.safe_load(value)
    return settings


def speed(threads: int, precision: str) -> float:
    """Multiply-adds a second while training, forward and backward counted as the forward's alone."""
    torch.set_num_threads(threads)
    network = MLP(PIXELS, CLASSES, CALIBRATION_WIDTHS)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    inputs, labels = torch.randn(BATCH, PIXELS), torch.randint(CLASSES, (BATCH,))
    mixed = precision.startswith("bf16")
    taken = []
    for _ in range(CALIBRATION_STEPS):
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = torch.nn.functional.cross_entropy(network(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken.append(time.perf_counter() - started)
    macs, _ = macs_of_an_epoch(
        {"model": {"hidden_sizes": CALIBRATION_WIDTHS}, "data": {}, "trainer": {"max_epochs": 1}}
    )
    return macs / IMAGES * BATCH / statistics.median(taken)


class Estimator:
    """Seconds that a run will take.

    Args:
        cards: Folder of the cards.
        rows: Runs done on this machine.
        threads: That a run may use.
    """

    def __init__(self, cards: Path, rows: Sequence[Row], threads: int) -> None:
        self.cards, self.rows, self.threads = cards, rows, threads
        self._speeds: dict[str, float] = {}

    @property
    def basis(self) -> str:
        """What the estimates so far stand on."""
        return "this machine's speed" if self._speeds else "the runs done already"

    def __call__(self, planned: Planned) -> float:
        """By the same card and changes with other seeds, else by arithmetic."""
        variant = planned.variant
        known = [
            row["wall_seconds"]
            for row in self.rows
            if (row["card"], tuple(row.get("options", ()))) == variant and "wall_seconds" in row
        ]
        if known:
            return statistics.median(known)
        settings = settings_of(self.cards / f"{variant.card}.yaml", variant.options)
        precision = settings["trainer"].get("precision") or suited_precision("auto")
        kind = "bf16" if precision.startswith("bf16") else "32"
        if kind not in self._speeds:
            self._speeds[kind] = speed(self.threads, kind)
        macs, epochs = macs_of_an_epoch(settings)
        return AROUND + epochs * (BESIDE_ARITHMETIC + macs / self._speeds[kind])


def in_words(seconds: float) -> str:
    """``50 s``, ``12 min``, ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
