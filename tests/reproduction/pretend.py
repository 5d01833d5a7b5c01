"""``python -m tests.reproduction.pretend OPTIONS of fit``: leaves what a training leaves, in a moment.

``PRETEND_LOG`` names a file that gets a line when it starts and one when it ends; ``PRETEND_SECONDS`` is how long it
takes, and it continues while a file ``hold CONFIG`` is beside the log; a config named in ``PRETEND_FAILS`` fails.
"""

import json
import os
import sys
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def main(arguments: list[str]) -> None:
    value = {option: arguments[place + 1] for place, option in enumerate(arguments[:-1]) if option.startswith("--")}
    config, seed = Path(value["--config"]).stem, value["--seed_everything"]
    Path(value["--trainer.default_root_dir"], "pid").write_text(str(os.getpid()))
    note(f"start {config} {seed}")
    if config in os.environ.get("PRETEND_FAILS", "").split(","):
        sys.exit("cifar-mlp: error: not today")
    time.sleep(float(os.environ.get("PRETEND_SECONDS", "0")))
    while Path(os.environ["PRETEND_LOG"]).with_name(f"hold {config}").exists():
        time.sleep(0.05)
    print("epoch 1/1  0.1 s  val/accuracy 0.5", flush=True)
    folder = Path(value["--trainer.default_root_dir"]) / "lightning_logs" / config / "version_0"
    (folder / "checkpoints").mkdir(parents=True)
    events = EventFileWriter(str(folder))
    for tag in ("train/loss", "train/accuracy", "val/loss", "val/accuracy"):
        events.add_event(Event(step=0, summary=Summary(value=[Summary.Value(tag=tag, simple_value=0.5)])))
    events.close()
    (folder / "checkpoints" / "best.ckpt").write_text("weights")
    metrics = {"epoch": 1, "val/images": 1000, "val/accuracy": 0.5, "test/accuracy": 0.5, "val/loss": 1, "test/loss": 1}
    metrics |= {"test/accuracy_first_1000": 0.5, "test/confusion": [[1] * 10] * 10}
    where = {"commit": "0", "date": "2026-01-02", "device": "none", "python": "3", "torch": "2", "lightning": "2"}
    where |= {"precision": "32-true", "fit_seconds": 1.0}
    content = {"config": config, "best": metrics, "last": metrics, "provenance": where}
    (folder / "results.json").write_text(json.dumps(content))
    note(f"end {config} {seed}")


def note(line: str) -> None:
    """Add a line to the log; one short write is not torn apart."""
    with open(os.environ["PRETEND_LOG"], "a") as log:
        log.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
