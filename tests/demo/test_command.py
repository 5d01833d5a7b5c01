"""``cifar-mlp demo`` as a command."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cifar_mlp.demo import command
from cifar_mlp.demo.trial import Trial


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, trained: Callable[[str], Path]
):
    assert "gone.ckpt: no such file" in refused(capsys, "gone.ckpt")
    Path("text.ckpt").write_text("no checkpoint")
    assert "error: text.ckpt is no checkpoint, or a damaged one" in refused(capsys, "text.ckpt", "--port", "0")
    assert "--port must be between 0 and 65535" in refused(capsys, "--port", "70000")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port}: Address already in use; give another" in refused(capsys, "--port", str(port))
    assert "does not exist" in refused(capsys, "--port", "0", "--data.root", "nowhere")
    assert "unrecognized arguments: --host" in refused(capsys, "--host", "0.0.0.0")
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert "demo needs starlette and uvicorn: pip install 'cifar_mlp[demo]'" in refused(capsys)


def test_a_network_that_diverged_is_refused(trained: Callable[[str], Path]):
    content = torch.load(trained("whitened"), weights_only=True)
    next(iter(content["state_dict"].values()))[0] = torch.nan
    content["state_dict"]["network.output.bias"][0] = torch.nan
    torch.save(content, "diverged.ckpt")
    with pytest.raises(ValueError, match="weights are not finite"):
        Trial(Path("diverged.ckpt"))


@pytest.mark.slow
def test_it_serves_this_machine_alone_until_ctrl_c(trained: Callable[[str], Path]):
    options = ["demo", str(trained("whitened")), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(command.__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-m", "cifar_mlp", *options], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("best.ckpt: http://127.0.0.1:"), process.communicate(timeout=120)
    assert said.endswith("  (Ctrl-C ends it)\n")
    address = said.split()[1]
    with urllib.request.urlopen(address + "/about", timeout=120) as answer:
        assert answer.status == 200
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.2", port), timeout=5):
        pass
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120) == ("", "cifar-mlp: interrupted\n")
    assert process.returncode == 130
