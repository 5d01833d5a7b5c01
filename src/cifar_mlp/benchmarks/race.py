"""All harnesses side by side, a lap each in turn."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean

from cifar_mlp.benchmarks.agreement import Agreement, compare
from cifar_mlp.benchmarks.harnesses import Runner
from cifar_mlp.benchmarks.laps import Lap
from cifar_mlp.benchmarks.worker import Worker

SECONDS_OF_A_TURN, MOST_LAPS = 2.0, 8
"""Short epochs are repeated within a turn, and the turn's first is not counted: after the others' turns a harness finds
caches and threads cold, which in training happens once and not at every epoch."""


@dataclass(frozen=True)
class Result:
    """What one harness did: its laps after the first, and how it compared."""

    runner: Runner
    laps: list[Lap]
    agreement: Agreement | None

    @property
    def seconds(self) -> list[float]:
        """Of an epoch's training, by round."""
        return [lap.seconds for lap in self.laps]


def race(
    runners: Sequence[Runner], rounds: int, progress: Callable[[str], None] = lambda step: None
) -> tuple[list[Result], list[str]]:
    """Start all harnesses, warm each by an epoch, compare them, and then let them train in turn.

    Every round starts with another harness, and only one is ever at work.

    Returns:
        The results, and one line for every harness that could not run.

    Raises:
        ValueError: For no rounds, or nothing to run.
        RuntimeError: If a harness fails, or does other work than the plain loop.
    """
    if rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {rounds}")
    if not runners:
        raise ValueError("--only, --inputs and --precision leave nothing to run")
    absent: dict[str, str] = {}
    present = []
    for runner in runners:
        reason = runner.entry.missing(runner.problem.device)
        if reason is None:
            present.append(runner)
        else:
            absent[runner.harness] = f"{runner.entry.title}: not run ({reason})"
    with ExitStack() as stack:
        workers, counts = [], []
        for runner in present:
            progress(f"{runner.label}: starting, first epochs")
            worker = Worker(runner, rounds * MOST_LAPS + 2)
            stack.callback(worker.stop)
            workers.append(worker)
            worker.lap()  # cold: compared, and not timed
            counts.append(max(1, min(MOST_LAPS, round(SECONDS_OF_A_TURN / max(worker.lap().seconds, 1e-9)))))
        agreements = _compared(workers)
        laps: list[list[Lap]] = [[] for _ in workers]
        order = list(range(len(workers)))
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            for place in order:
                laps[place].append(turn([workers[place].lap() for _ in range(counts[place])]))
            order = order[1:] + order[:1]
    return [Result(*parts) for parts in zip(present, laps, agreements, strict=True)], list(absent.values())


def turn(laps: Sequence[Lap]) -> Lap:
    """The mean lap of a turn; the first does not count where there are more."""
    counted = laps[1:] or laps
    parts = {name for lap in counted for name in lap.apart}
    apart = {name: fmean(lap.apart.get(name, 0.0) for lap in counted) for name in parts}
    return Lap(fmean(lap.seconds for lap in counted), apart)


def _compared(workers: Sequence[Worker]) -> list[Agreement | None]:
    plain = {worker.runner.key[1:]: worker for worker in workers if worker.runner.harness == "plain"}
    agreements: list[Agreement | None] = []
    for worker in workers:
        runner = worker.runner
        reference = plain.get(runner.key[1:])
        if reference is None or not runner.entry.trains:
            agreements.append(None)
            continue
        start = runner.problem.starting_weights()
        agreements.append(
            compare(runner.label, runner.problem.precision, worker.seen, reference.seen, start, runner.entry.exact)
        )
    return agreements
