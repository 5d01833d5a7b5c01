"""Stands in for ``cifar-mlp fit`` in trials: holds the same conversation, trains nothing, imports nothing slow."""

import json
import os
import sys
import time
from pathlib import Path

EPOCHS = 4


def main() -> None:
    options = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    lr = float(options.get("--model.optimizer.lr", "0.01"))
    seed = int(options.get("--seed_everything", "0"))
    if lr > 0.5:
        print("some warning\ncifar-mlp: error: lr is too large", flush=True)
        sys.exit(1)
    Path(options["--trainer.default_root_dir"], "pid").write_text(str(os.getpid()))
    for epoch in range(1, EPOCHS + 1):
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        print("epoch report: " + json.dumps({"epoch": epoch, "value": lr * epoch / EPOCHS + 0.001 * seed}), flush=True)
        if sys.stdin.readline() != "continue\n":
            break


if __name__ == "__main__":
    main()
