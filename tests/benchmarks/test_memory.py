"""Peak memory of a fit."""

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import sys
from cifar_mlp.benchmarks.peak_memory import PeakMemory
memory = PeakMemory()
from cifar_mlp.cli import main
sys.argv = ["cifar-mlp", "fit", "--data.n_components", "510", "--trainer.max_steps", "20"]
main()
print("peak", memory.read() // 1024)
"""


@pytest.mark.real_data
@pytest.mark.long
def test_a_fit_on_510_components_and_its_pca_stay_under_3_gb(real_root: str):
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "fitting PCA: 49,000 images to 510 components" in done.stdout
    peak_kilobytes = int(done.stdout.rsplit("peak ", 1)[1])
    assert 500_000 < peak_kilobytes < 3_000_000, peak_kilobytes
    assert list(Path().rglob("config.yaml"))
