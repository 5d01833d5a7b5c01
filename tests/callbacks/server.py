"""A real TensorBoard in this process."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from tensorboard import program


class Server:
    """Serves a folder of runs until the process ends.

    Attributes:
        url: Where, with a slash at its end.
    """

    def __init__(self, logdir: Path) -> None:
        board = program.TensorBoard()
        board.configure(argv=[None, "--logdir", str(logdir), "--port", "0", "--load_fast=false", "--host", "127.0.0.1"])
        self.url = board.launch()

    def ask(self, path: str, question: Any = None) -> Any:
        """The response to a request of its own page, JSON decoded."""
        data = None if question is None else json.dumps(question).encode()
        request = urllib.request.Request(f"{self.url}data/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers["Content-Type"] else content
