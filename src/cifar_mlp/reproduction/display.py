"""Progress of the whole and of each run: bars on a terminal, lines in a file."""

import re
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cifar_mlp.common.results import Row
from cifar_mlp.reproduction.estimate import in_words
from cifar_mlp.reproduction.plan import Planned

EPOCH = re.compile(r"epoch (\d+)/\S+\s+(.*)")


class Display:
    """Shows how a reproduction goes, and how long it will still take.

    Args:
        wanted: Runs that are to be done.
        estimate: Seconds of one.
        epochs: Epochs of one.
        jobs: Runs at a time.
        console: Where to.
    """

    def __init__(
        self,
        wanted: Sequence[Planned],
        estimate: Callable[[Planned], float],
        epochs: Callable[[Planned], float],
        jobs: int,
        console: Console,
    ) -> None:
        self.console, self.jobs, self.epochs = console, jobs, epochs
        self.expected = {planned: estimate(planned) for planned in wanted}
        self._total, self._finished, self._waits = len(wanted), 0, False
        self._began = time.monotonic()
        self._spent, self._foreseen = 0.0, 0.0
        self._since: dict[Planned, float] = {}
        self.bars = Progress(
            TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[words]}"),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._whole = self.bars.add_task("whole", total=self._total, words="")
        self._bar_of: dict[Planned, TaskID] = {}

    def __enter__(self) -> "Display":
        self.bars.start()
        self._refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def left(self) -> float:
        """Seconds until all is done, as far as can be told: estimates, corrected by what runs have really taken."""
        correction = self._spent / self._foreseen if self._foreseen else 1.0
        under_way = sum(time.monotonic() - since for since in self._since.values())
        return max(0.0, sum(self.expected.values()) * correction - under_way) / self.jobs

    def started(self, planned: Planned) -> None:
        """Show a bar for it."""
        self._since[planned], self._waits = time.monotonic(), False
        self._bar_of[planned] = self.bars.add_task(planned.name, total=self.epochs(planned), words="starting")
        self._line(f"{planned.name}: started")

    def said(self, planned: Planned, line: str) -> None:
        """Show how far it is."""
        found = EPOCH.match(line)
        if found:
            self.bars.update(self._bar_of[planned], completed=int(found[1]), words=found[2])
            self._line(f"{planned.name}: {line}")

    def done(self, planned: Planned, row: Row, here: bool) -> None:
        """Print its result."""
        self._finished += 1
        expected = self.expected.pop(planned)
        if here:
            self._spent, self._foreseen = self._spent + row["wall_seconds"], self._foreseen + expected
        self._forget(planned)
        last = row["last"]
        report = last.get("test/accuracy_first_1000", last["test/accuracy"])
        self.console.print(
            f"{self._finished}/{self._total}  {planned.name}  validation {100 * last['val/accuracy']:.1f} %  "
            f"test {100 * report:.1f} % (report's), {100 * last['test/accuracy']:.1f} % (all)  "
            f"{in_words(row['wall_seconds'])}{'' if here else ', by another process'}"
            f"{self._remaining()}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip

    def failed(self, planned: Planned, problem: str) -> None:
        """Say why."""
        self._finished += 1
        self.expected.pop(planned)
        self._forget(planned)
        self.console.print(f"FAILED  {planned.name}: {problem}", markup=False, highlight=False, soft_wrap=True)

    def waiting(self, count: int) -> None:
        """Say once what is being waited for."""
        if not self._waits:
            self._waits = True
            what = f"{count} run{'s' if count > 1 else ''} of another process"
            self.console.print(f"waiting for {what}", highlight=False)

    def tick(self) -> None:
        """Let the clock go on."""
        self._refresh()

    def _forget(self, planned: Planned) -> None:
        self._since.pop(planned, None)
        if planned in self._bar_of:
            self.bars.remove_task(self._bar_of.pop(planned))
        self._refresh()

    def _refresh(self) -> None:
        words = f"{self._finished}/{self._total} runs, {in_words(time.monotonic() - self._began)}{self._remaining()}"
        self.bars.update(self._whole, completed=self._finished, words=words)

    def _remaining(self) -> str:
        return f", about {in_words(self.left())} left" if self.expected else ""

    def _line(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)
