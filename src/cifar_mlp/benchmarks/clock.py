"""A clock that tells apart what happens within one another."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Clock:
    """Splits a stretch of time into parts; while an inner part runs, the outer one stands still.

    Args:
        rest: Name of the time that belongs to no part.
    """

    def __init__(self, rest: str = "training") -> None:
        self._running = [rest]
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._since = 0.0

    def start(self) -> None:
        """Begin a new stretch."""
        self._seconds.clear()
        self._since = time.perf_counter()

    def read(self) -> dict[str, float]:
        """Seconds of each part since the start."""
        self._count()
        return dict(self._seconds)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What runs within belongs to ``name``."""
        self._count()
        self._running.append(name)
        try:
            yield
        finally:
            self._count()
            self._running.pop()

    def watch(self, owner: Any, method: str, name: str) -> None:
        """From now on ``owner.method`` belongs to the part ``name``."""
        inner: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return inner(*arguments, **named)

        setattr(owner, method, timed)

    def _count(self) -> None:
        now = time.perf_counter()
        self._seconds[self._running[-1]] += now - self._since
        self._since = now
