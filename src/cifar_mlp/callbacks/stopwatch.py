"""What callbacks cost."""

import functools
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback


class Stopwatch:
    """Adds up the seconds that callbacks spend in their hooks.

    Attributes:
        seconds: By the callback's class.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, callback: Callback) -> Callback:
        """Time every hook that the callback's class defines; returns the same callback."""
        for name in dir(Callback):
            if name.startswith("on_") and getattr(type(callback), name) is not getattr(Callback, name):
                setattr(callback, name, self._timed(getattr(callback, name), type(callback).__name__))
        return callback

    def _timed(self, hook: Callable[..., Any], name: str) -> Callable[..., Any]:
        self.seconds.setdefault(name, 0.0)

        @functools.wraps(hook)
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return hook(*arguments, **named)
            finally:
                self.seconds[name] += time.perf_counter() - started

        return timed
