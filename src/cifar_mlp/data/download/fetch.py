"""Fetch an archive from several servers, of which any may be slow, break off or lie, and prove that it is complete."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from cifar_mlp.data.download.pieces import NOBODY, Pieces, sender_of
from cifar_mlp.data.download.server_answer import ServerFailedError
from cifar_mlp.data.download.server_pool import ServerPool
from cifar_mlp.data.download.transfer_progress import RateMeter, TransferProgress

WRONG = "sent other bytes than the archive's"
WORTH_ANOTHER_ROUND = 200  # failed servers are tried again only after this share of the archive has come: 1/200


class AllServersFailedError(Exception):
    """No server can send what is missing; the message says what each did."""


class Fetch:
    """One download.

    Args:
        pool: The servers.
        pieces: What has come already, and where the rest goes.
        whole: File for the finished archive.
        progress: Told of every byte.
    """

    def __init__(self, pool: ServerPool, pieces: Pieces, whole: Path, progress: TransferProgress) -> None:
        self.pool, self.pieces, self.whole, self.progress = pool, pieces, whole, progress

    def run(self) -> None:
        """Leave the archive, proven by its SHA-256, in ``whole``.

        When the digest is wrong, somebody lied. A single sender is dropped. Of several, each is suspected in turn:
        its bytes are fetched from the others. If that clears up nothing, each server sends the whole by itself. So
        the work ends after one archive's worth for each server, and two more.

        Raises:
            AllServersFailedError: If no server is left.
        """
        inherited = bool(self.pieces.senders())
        while True:
            self._fill()
            if self._is_right():
                return
            senders = list(self.pieces.senders())
            if len(senders) > 1:
                if not self._find_liar(senders):
                    self._one_by_one()
                return
            if inherited:  # from an earlier start, of which nothing is known
                self._discard(senders)
                inherited = False
            else:
                self._expose(senders[0])

    def _is_right(self, without: Collection[str] = NOBODY) -> bool:
        return self.pieces.join(self.whole, without) == self.pool.archive.sha256

    def _discard(self, senders: Collection[str]) -> None:
        self._discard_files([piece.path for piece in self.pieces.present() if piece.sender in senders])

    def _discard_files(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink()
        self.progress.advance(sum(self.pieces.senders().values()) - self.progress.received)

    def _expose(self, sender: str) -> None:
        for url in self.pool.drop_sender(sender, WRONG):
            self.progress.say(f"{url} {WRONG}")
        self._discard([sender])

    def _find_liar(self, senders: list[str]) -> bool:
        for suspect in senders:
            kept = {piece.path for piece in self.pieces.present()}
            self.progress.say(f"{self.progress.name} is not right: fetching one server's part again from the others")
            try:
                self._fill({suspect})
                right = self._is_right({suspect})
            except AllServersFailedError:
                right = False
            if right:
                self._expose(suspect)
                return True
            self._discard_files([piece.path for piece in self.pieces.present() if piece.path not in kept])
        return False

    def _one_by_one(self) -> None:
        for url in self.pool.known():
            self._discard(list(self.pieces.senders()))
            self.pool.forgive()
            others = {sender_of(other) for other in self.pool.known() if other != url}
            try:
                self._fill(others)
            except AllServersFailedError:
                continue
            if self._is_right():
                return
            self.pool.drop(url, WRONG, for_good=True)
        self._discard(list(self.pieces.senders()))
        raise self._nobody_left()

    def _fill(self, without: Collection[str] = NOBODY) -> None:
        """Fetch what is missing from servers other than ``without``, whose pieces do not count."""
        since = self.progress.received
        while (gap := self.pieces.gap(without)) is not None:
            url = self.pool.best(gap, without)
            if url is None:
                if (self.progress.received - since) * WORTH_ANOTHER_ROUND < self.pieces.length:
                    raise self._nobody_left()
                since = self.progress.received
                self.pool.forgive()
                continue
            try:
                self._receive(url, gap, without)
            except ServerFailedError as error:
                self.pool.drop(url, str(error))
                self.progress.say(f"{url} {error}")

    def _receive(self, url: str, gap: tuple[int, int], without: Collection[str]) -> None:
        """Take bytes from one server until the gap is filled, or a faster one is known."""
        start, stop = gap
        limits, meter = self.pool.limits, RateMeter(self.pool.limits.window)
        answer, came = self.pool.ask(url, start, stop), 0
        with closing(answer.stream), self.pieces.path(start, sender_of(url)).open("wb") as file:
            self.progress.begin(f"{self.progress.name} from {url}" + (f", from byte {start:,} on" if start else ""))
            for position, chunk in answer.chunks():
                useful = chunk[max(start - position, 0) : max(stop - position, 0)]
                file.write(useful)
                came += len(useful)
                self.progress.advance(len(useful))
                if position + len(chunk) >= stop:
                    return
                rate = meter.add(len(chunk))
                if rate is not None and rate < limits.hopeless:
                    raise ServerFailedError(f"sends {rate:,.0f} bytes a second")
                if rate is not None and rate < limits.slow:
                    if not self.pool.is_best(url, rate, (position + len(chunk), stop), without):
                        self.progress.say(f"{url} sends {rate / 1e3:,.0f} kB/s: changing to a faster server")
                        return
                    meter = RateMeter(limits.window)  # asked again after another window
        raise ServerFailedError(f"broke off after {came:,} bytes")

    def _nobody_left(self) -> AllServersFailedError:
        return AllServersFailedError("; ".join(f"{url} {reason}" for url, reason in self.pool.failed.items()))
