"""One folder's results, shared by every process that works on it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cifar_mlp.common.results import Document, Row, card_fingerprint, load_document, run_key, save_document
from cifar_mlp.reproduction.plan import Planned


class Store:
    """``results.json`` of a reproduction.

    Every change reads the file anew and replaces it under a lock, so that processes at work side by side
    lose nothing of each other's.

    Args:
        folder: The reproduction's, made if need be.
        cards: Folder of the report's cards.
        quick: Whether its runs are of one epoch.

    Raises:
        ValueError: If the folder holds a reproduction of the other kind, or cannot be written.
    """

    def __init__(self, folder: Path, cards: Path, quick: bool = False) -> None:
        self.folder, self.cards, self.quick = folder, cards, quick
        self.path = folder / "results.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                document = self.document()
        except OSError as error:
            raise ValueError(f"--output {folder} cannot be written ({error.strerror})") from error
        except (ValueError, KeyError) as error:
            raise ValueError(f"--output {folder}: its results.json is no results file; choose another") from error
        if document["runs"] and document.get("quick", False) != quick:
            held, asked = ("quick", "full") if document.get("quick") else ("full", "quick")
            raise ValueError(f"--output {folder} holds a {held} reproduction, not a {asked} one: choose another")

    def document(self) -> Document:
        """All of it, as it stands now."""
        return load_document(self.path)

    def current(self) -> Document:
        """The same without runs of cards that have changed since."""
        document = self.document()
        cards = {row["card"] for row in document["runs"]}
        now = {card: card_fingerprint(path) for card in cards if (path := self.cards / f"{card}.yaml").is_file()}
        return {**document, "runs": [row for row in document["runs"] if row["settings"] == now.get(row["card"])]}

    def find(self, planned: Planned) -> Row | None:
        """The row of a run with its card's present settings."""
        fingerprint = self.fingerprint(planned)
        found = [row for row in self.document()["runs"] if planned.is_row(row) and row["settings"] == fingerprint]
        return found[0] if found else None

    def card(self, planned: Planned) -> Path:
        """A run's card."""
        return self.cards / f"{planned.variant.card}.yaml"

    def fingerprint(self, planned: Planned) -> str:
        """A hash of what the run's card asks for."""
        return card_fingerprint(self.card(planned))

    def add(self, row: Row) -> None:
        """Take a run in, in the place of an older one of the same name."""
        with self._locked():
            document = self.document()
            others = [other for other in document["runs"] if run_key(other) != run_key(row)]
            self._save({**document, "runs": [*others, row]})

    def set(self, name: str, value: Any) -> None:
        """Keep something beside the runs."""
        with self._locked():
            self._save({**self.document(), name: value})

    def _save(self, document: Document) -> None:
        save_document(self.path, {**document, **({"quick": True} if self.quick else {})})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.folder / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed by the system however this process ends
            yield
