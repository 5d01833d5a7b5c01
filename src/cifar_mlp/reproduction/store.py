"""One reproduction's results."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cifar_mlp.common.results import Document, Row, config_fingerprint, load_document, run_key, save_document
from cifar_mlp.reproduction.plan import Planned


class Store:
    """``results.json`` of a reproduction.

    Args:
        folder: The reproduction's; created if missing.
        configs: Folder of the report's configs.
        quick: Whether its runs take one epoch.

    Raises:
        ValueError: If the folder holds a reproduction of the other kind, or cannot be written.
    """

    def __init__(self, folder: Path, configs: Path, quick: bool = False) -> None:
        self.folder, self.configs, self.quick = folder, configs, quick
        self.path = folder / "results.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            document = self.document()
            runs = document["runs"]
        except OSError as error:
            raise ValueError(f"--output {folder} cannot be written ({error.strerror})") from error
        except (ValueError, LookupError) as error:
            reason = f"its results.json is no results file of this version ({error})"
            raise ValueError(f"--output {folder}: {reason}; choose another folder") from error
        if runs and document.get("quick", False) != quick:
            held, wanted = ("full", "quick") if quick else ("quick", "full")
            raise ValueError(f"--output {folder} holds a {held} reproduction, not a {wanted} one: choose another")

    def document(self) -> Document:
        """All of it, as it is now."""
        return load_document(self.path)

    def current(self) -> Document:
        """The same without runs of configs that have changed since."""
        document = self.document()
        now = {path.stem: config_fingerprint(path) for path in self.configs.glob("[!.]*.yaml")}
        return {**document, "runs": [row for row in document["runs"] if row["settings"] == now.get(row["config"])]}

    def missing(self, wanted: Sequence[Planned]) -> list[Planned]:
        """The runs that have no row with their config's present settings."""
        rows = self.current()["runs"]
        return [one for one in wanted if one.seed not in {row["seed"] for row in one.variant.rows_in(rows)}]

    def add(self, row: Row) -> None:
        """Add a run; it replaces an older row of the same run."""
        document = self.document()
        others = [other for other in document["runs"] if run_key(other) != run_key(row)]
        self._save({**document, "runs": [*others, row]})

    def set(self, name: str, value: Any) -> None:
        """Keep something beside the runs."""
        self._save({**self.document(), name: value})

    def _save(self, document: Document) -> None:
        save_document(self.path, {**document, **({"quick": True} if self.quick else {})})

    @contextmanager
    def locked(self, wait: bool = False) -> Iterator[int]:
        """Keep the folder for this process and those that inherit the lock.

        Args:
            wait: Until another process gives it up.

        Yields:
            The lock's file descriptor; the system releases it however the processes end.

        Raises:
            ValueError: If another process has the folder.
        """
        with open(self.folder / ".lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                raise ValueError(
                    f"--output {self.folder} is in use by another process: wait for it, or choose another folder"
                ) from error
            yield file.fileno()
