"""One reproduction's results."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cifar_mlp.common.results import Document, Row, config_fingerprint, load_document, run_key, save_document
from cifar_mlp.reproduction.plan import Planned


class Store:
    """``results.json`` of a reproduction.

    Args:
        folder: The reproduction's, made if need be.
        configs: Folder of the report's configs.
        quick: Whether its runs are of one epoch.

    Raises:
        ValueError: If the folder holds a reproduction of the other kind, or cannot be written.
    """

    def __init__(self, folder: Path, configs: Path, quick: bool = False) -> None:
        self.folder, self.configs, self.quick = folder, configs, quick
        self.path = folder / "results.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            document = self.document()
        except OSError as error:
            raise ValueError(f"--output {folder} cannot be written ({error.strerror})") from error
        except (ValueError, KeyError) as error:
            raise ValueError(f"--output {folder}: its results.json is no results file; choose another") from error
        if document["runs"] and document.get("quick", False) != quick:
            held, asked = ("quick", "full") if document.get("quick") else ("full", "quick")
            raise ValueError(f"--output {folder} holds a {held} reproduction, not a {asked} one: choose another")

    def document(self) -> Document:
        """All of it, as it is now."""
        return load_document(self.path)

    def current(self) -> Document:
        """The same without runs of configs that have changed since."""
        document = self.document()
        configs = {row["config"] for row in document["runs"]}
        paths = {config: self.configs / f"{config}.yaml" for config in configs}
        now = {config: config_fingerprint(path) for config, path in paths.items() if path.is_file()}
        return {**document, "runs": [row for row in document["runs"] if row["settings"] == now.get(row["config"])]}

    def find(self, planned: Planned) -> Row | None:
        """The row of a run with its config's present settings."""
        fingerprint = self.fingerprint(planned)
        found = [row for row in self.document()["runs"] if planned.is_row(row) and row["settings"] == fingerprint]
        return found[0] if found else None

    def config(self, planned: Planned) -> Path:
        """A run's config."""
        return self.configs / f"{planned.variant.config}.yaml"

    def fingerprint(self, planned: Planned) -> str:
        """A hash of what the run's config asks for."""
        return config_fingerprint(self.config(planned))

    def add(self, row: Row) -> None:
        """Take a run in, in the place of an older one of the same name."""
        document = self.document()
        others = [other for other in document["runs"] if run_key(other) != run_key(row)]
        self._save({**document, "runs": [*others, row]})

    def set(self, name: str, value: Any) -> None:
        """Keep something beside the runs."""
        self._save({**self.document(), name: value})

    def _save(self, document: Document) -> None:
        save_document(self.path, {**document, **({"quick": True} if self.quick else {})})

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Keep the folder for this process and those that it hands the lock to.

        Yields:
            The lock's file descriptor; the system frees it however the processes end.

        Raises:
            ValueError: If another reproduction, or a training that a killed one left running, has the folder.
        """
        with open(self.folder / ".lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ValueError(
                    f"--output {self.folder} is in use by another reproduction, or by trainings that a killed one "
                    "left: wait for them, or choose another folder"
                ) from error
            yield file.fileno()
