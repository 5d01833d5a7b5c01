"""The servers of an archive: how fast each is, which have failed, and which to take next."""

import threading
import time
from collections.abc import Collection
from contextlib import closing
from typing import NamedTuple

from cifar_mlp.data.download.archives import Archive
from cifar_mlp.data.download.pieces import NOBODY, sender_of
from cifar_mlp.data.download.server_answer import ServerAnswer, ServerFailedError, ask


class Limits(NamedTuple):
    """When a server is too slow.

    Attributes:
        probe_bytes: Size of the range that every server is first asked for.
        probe_seconds: Time for that.
        silence: Seconds without a byte after which a server has failed.
        slow: Bytes a second below which another server is tried, if it promises half as much again.
        hopeless: Bytes a second below which a server has failed, even if there is no other.
        window: Seconds over which a rate is measured.
    """

    probe_bytes: int = 1 << 18
    probe_seconds: float = 5.0
    silence: float = 10.0
    slow: float = 200_000.0
    hopeless: float = 2_000.0
    window: float = 5.0


FASTER = 1.5  # how much faster another server must be to change to it


class ServerPool:
    """All servers of one archive.

    Args:
        archive: What they serve.
        mirror: A server to be tried before the archive's own; the others are not even asked while it works.
        limits: When a server is too slow.
    """

    def __init__(self, archive: Archive, mirror: str | None, limits: Limits) -> None:
        self.archive, self.mirror, self.limits = archive, mirror, limits
        tiers = ([mirror] if mirror else [], [url for url in archive.urls if url != mirror])
        self._unasked = [tier for tier in tiers if tier]
        self._rates: dict[str, float] = {}
        self._pending: set[str] = set()
        self._changed = threading.Condition()
        self.failed: dict[str, str] = {}
        self.liars: set[str] = set()

    def ask(self, url: str, start: int, stop: int) -> ServerAnswer:
        """One server's answer, see :func:`ask`."""
        return ask(url, start, stop, self.archive.length, self.limits.silence)

    def best(self, gap: tuple[int, int], without: Collection[str] = NOBODY) -> str | None:
        """The fastest server that has not failed; measures those not asked yet when it must.

        Args:
            gap: The bytes wanted next.
            without: Senders that are not wanted.
        """
        while not (usable := self._usable(without)):
            if not self._unasked:
                return None
            self._measure(self._unasked.pop(0), gap)
        return max(usable, key=lambda url: self._rates[url])

    def is_best(self, url: str, rate: float, gap: tuple[int, int], without: Collection[str]) -> bool:
        """Whether no other server promises to be much faster than ``url``, which is slow now."""
        self._rates[url] = rate
        others = {*without, sender_of(url)}
        other = self.best(gap, others)
        return other is None or self._rates[other] < FASTER * rate

    def drop(self, url: str, reason: str, for_good: bool = False) -> None:
        """Do not use a server again, or not before :meth:`forgive`."""
        self.failed[url] = reason
        if for_good:
            self.liars.add(url)

    def drop_sender(self, sender: str, reason: str) -> list[str]:
        """The same, for good, for whoever sent a piece; returns the address, if it is one of these servers."""
        urls = [url for url in self._rates if sender_of(url) == sender]
        for url in urls:
            self.drop(url, reason, for_good=True)
        return urls

    def forgive(self) -> None:
        """Try again those that failed, but none that lied."""
        self.failed = {
            url: reason for url, reason in self.failed.items() if url in self.liars or url not in self._rates
        }

    def known(self) -> list[str]:
        """Every server that has ever answered and not lied, the fastest first."""
        honest = [url for url in self._rates if url not in self.liars]
        return sorted(honest, key=lambda url: -self._rates[url])

    def _usable(self, without: Collection[str]) -> list[str]:
        """Those that can be used now; waits while the last measurement may still find one."""

        def usable() -> list[str]:
            return [url for url in self._rates if url not in self.failed and sender_of(url) not in without]

        with self._changed:
            self._changed.wait_for(lambda: usable() or not self._pending)
            return usable()

    def _measure(self, urls: list[str], gap: tuple[int, int]) -> None:
        """Ask all for a small range at once; the first that has sent it is the fastest, so nobody waits for more."""
        start, stop = gap[0], min(gap[0] + self.limits.probe_bytes, gap[1])
        received: dict[str, float] = {}
        with self._changed:
            self._pending |= set(urls)
        for url in urls:
            threading.Thread(target=self._probe, args=(url, start, stop, received), daemon=True).start()
        threading.Thread(target=self._give_up, args=(urls, received), daemon=True).start()

    def _probe(self, url: str, start: int, stop: int, received: dict[str, float]) -> None:
        began, reason = time.monotonic(), None
        try:
            answer = self.ask(url, start, stop)
            useful = (self.archive.length - start) / (self.archive.length - answer.start)
            with closing(answer.stream):
                for position, chunk in answer.chunks():
                    so_far = position + len(chunk) - answer.start
                    received[url] = useful * so_far / max(time.monotonic() - began, 1e-6)
                    if so_far >= stop - start:
                        break
        except ServerFailedError as error:
            reason = str(error)
        self._settle(url, received.get(url, 0.0), reason or "sent nothing")

    def _give_up(self, urls: list[str], received: dict[str, float]) -> None:
        """Judge those that are not ready by what they have sent."""
        time.sleep(self.limits.probe_seconds)
        for url in urls:
            self._settle(url, received.get(url, 0.0), f"gave no answer in {self.limits.probe_seconds:g} s")

    def _settle(self, url: str, rate: float, reason: str) -> None:
        with self._changed:
            if url in self._pending:
                self._pending.discard(url)
                if rate > 0:
                    self._rates[url] = rate
                else:
                    self.failed[url] = reason
                    if url == self.mirror:  # whoever named it should know that it is of no use
                        print(f"{url} {reason}", flush=True)
                self._changed.notify_all()
