"""Checkpoints on trial, and their server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from cifar_mlp.demo.trial import Trial


@pytest.fixture(scope="session")
def trial(trained: Callable[[str], Path]) -> Trial:
    """Six whitened components of the digits."""
    return Trial(trained("whitened"))


@contextmanager
def served(trial: Trial) -> Iterator[str]:
    """Its address, while it is served from a thread."""
    uvicorn = pytest.importorskip("uvicorn")
    from cifar_mlp.demo.command import listening, server_of

    with listening(0) as listener:
        server = server_of(trial)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), uvicorn
