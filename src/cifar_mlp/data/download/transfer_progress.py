"""How far a download is: a bar on a terminal, a line every ten seconds in a log."""

import sys
import time
from collections import deque
from types import TracebackType

from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

SECONDS_BETWEEN_LINES = 10.0
DRAWN_PER_SECOND = 4
MEGABYTE = 1e6


class RateMeter:
    """Bytes a second over the last ``window`` seconds."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._total = 0
        self._points: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def add(self, count: int) -> float | None:
        """The rate with ``count`` more bytes; ``None`` until one window has passed."""
        now = time.monotonic()
        self._total += count
        self._points.append((now, self._total))
        while len(self._points) > 2 and now - self._points[1][0] >= self.window:
            self._points.popleft()
        began, before = self._points[0]
        return (self._total - before) / (now - began) if now - began >= self.window else None


class TransferProgress:
    """Shows megabytes, rate and time left.

    Args:
        name: What is being downloaded.
        length: Its bytes.
        received: Bytes that are there already.
    """

    def __init__(self, name: str, length: int, received: int) -> None:
        self.name, self.length, self.received = name, length, received
        self._meter = RateMeter(SECONDS_BETWEEN_LINES / 2)
        self._rate: float | None = None
        self._last = time.monotonic()
        self._bar: Progress | None = None
        if sys.stdout.isatty():
            columns = (TextColumn(name), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, refresh_per_second=DRAWN_PER_SECOND)
            self._task = self._bar.add_task(name, total=length, completed=received)

    def __enter__(self) -> "TransferProgress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        print(text, flush=True)

    def begin(self, text: str) -> None:
        """Print a line about a new server, and measure the rate anew."""
        self.say(text)
        self._meter, self._rate = RateMeter(SECONDS_BETWEEN_LINES / 2), None

    def advance(self, count: int) -> None:
        """Count bytes; a negative number where some were discarded."""
        self.received += count
        self._rate = self._meter.add(max(count, 0)) or self._rate
        if self._bar is not None:
            self._bar.update(self._task, completed=self.received)
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self.say(self._line())

    def _line(self) -> str:
        so_far = f"{self.name}: {self.received / MEGABYTE:.1f} of {self.length / MEGABYTE:.1f} MB"
        if not self._rate:
            return so_far
        minutes, seconds = divmod(round((self.length - self.received) / self._rate), 60)
        return f"{so_far}, {self._rate / MEGABYTE:.2f} MB/s, {minutes} min {seconds} s left"
