"""``cifar-mlp demo``: a page in the browser to try a trained network.

cifar-mlp demo                       the network that comes with the package
cifar-mlp demo RUN

Drop, paste, draw or pick an image; see what the network sees of it, what it answers, and why. The page is served to
this machine alone and needs no internet.
"""

import os
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cifar_mlp.cli.checkpoint_option import checkpoint_file
from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.script_parser import OneLineParser

if TYPE_CHECKING:
    from uvicorn import Server

    from cifar_mlp.demo.trial import Trial

PACKAGES = ("starlette", "uvicorn")
HERE = "127.0.0.1"


def parser() -> OneLineParser:
    """The command line."""
    made = OneLineParser(prog="cifar-mlp demo", description=__doc__)
    made.add_argument("checkpoint", metavar="CKPT", nargs="?", default="small", help="a checkpoint or a run's folder")
    made.add_argument("--port", type=int, default=8000, metavar="N", help="of the page (default: 8000; 0: a free one)")
    made.add_argument("--data.root", dest="root", metavar="DIR", help="the images; default as for cifar-mlp test")
    return made


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the page until Ctrl-C; a mistake is one line and exit code 1."""
    options = parser().parse_args(arguments)
    with errors_in_one_line():
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise ValueError(f"demo needs {' and '.join(missing)}: pip install 'cifar_mlp[demo]'")
        path = checkpoint_file(options.checkpoint, None, training=False)
        with listening(options.port) as listener:
            serve(listener, path, options.root)


def listening(port: int) -> socket.socket:
    """A socket on this machine alone.

    Raises:
        ValueError: If the port is taken, or is none.
    """
    if not 0 <= port < 2**16:
        raise ValueError(f"--port must be between 0 and {2**16 - 1}, not {port}")
    try:
        return socket.create_server((HERE, port))
    except OSError as error:
        raise ValueError(
            f"--port {port}: {os.strerror(error.errno or 0)}; give another, or 0 for a free one"
        ) from error


def serve(listener: socket.socket, path: Path, root: str | None) -> None:
    """Load the network and answer requests until the process is interrupted."""
    from cifar_mlp.demo.trial import Trial

    trial = Trial(path, root)
    server = server_of(trial)
    if trial.missing:
        print(f"no images to pick from or to compare with ({trial.missing}): --data.root names them", flush=True)
    print(f"{path.name}: http://{HERE}:{listener.getsockname()[1]}  (Ctrl-C ends it)", flush=True)
    server.run(sockets=[listener])


def server_of(trial: "Trial") -> "Server":
    """A web server for the page of one checkpoint."""
    from uvicorn import Config, Server

    from cifar_mlp.demo.app import make_app

    return Server(Config(make_app(trial), log_level="warning", access_log=False, lifespan="off", ws="none"))
