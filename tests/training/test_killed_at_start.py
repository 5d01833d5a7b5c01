"""The program is killed while it starts: nothing that it leaves is half of something, and the next start works."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cifar_mlp.data.cache import read_cache
from cifar_mlp.training.checkpoint import read_checkpoint
from tests.training.killed import differences, left_by

FIT = ["fit", "--data.source", "digits", "--data.n_components", "20", "--data.cache_dir", "cache", "--resume", "auto"]
FIT += ["--model.hidden_sizes", "[16]", "--data.batch_size", "20", "--trainer.max_epochs", "2", "--views.all", "false"]
KILLS = 12
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def start(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "cifar_mlp", *FIT], cwd=folder, env={**os.environ, "TMPDIR": str(folder / "tmp")},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def read_all(folder: Path) -> None:
    """Read every file as what it is; half of one would not pass."""
    for path in (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".unfinished-")):
        if path.suffix == ".yaml":
            assert yaml.safe_load(path.read_text()) is not None
        elif path.suffix == ".json":
            assert json.loads(path.read_text())
        elif path.suffix == ".ckpt":
            read_checkpoint(str(path))
        elif path.suffix == ".pt":
            assert read_cache(path) is not None
        else:
            assert path.name.startswith("events.out.tfevents."), path


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_start_after_a_killed_one_works(tmp_path: Path):
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    unbroken, begin = start(tmp_path / "unbroken"), time.perf_counter()
    while not list(tmp_path.rglob("last.ckpt")) and unbroken.poll() is None:
        time.sleep(0.01)
    seconds = time.perf_counter() - begin
    said = unbroken.communicate()[0]
    assert unbroken.returncode == 0, said
    expected = left_by(tmp_path / "unbroken")
    for number in range(KILLS):
        folder, moment = tmp_path / str(number), chance.uniform(0, seconds)
        process = start(folder)
        time.sleep(moment)
        sent = chance.choice(SIGNALS)
        process.send_signal(sent)
        said = process.communicate()[0]
        print(number, round(moment, 2), sent.name, process.returncode, sorted(path.name for path in folder.rglob("*")))
        assert "Traceback" not in said, said
        assert process.returncode in (-sent, 128 + sent, 0)
        read_all(folder)
        again, begin = start(folder), time.perf_counter()
        said = again.communicate()[0]
        assert again.returncode == 0, said
        seconds = min(seconds, time.perf_counter() - begin)  # the first start reads the packages from the disk
        assert not differences(left_by(folder), expected)
        assert not list((folder / "tmp").iterdir())
