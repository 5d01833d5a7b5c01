"""Where trials are kept: a journal in one file, or PostgreSQL."""

from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

POSTGRESQL = ("postgresql://", "postgres://", "postgresql+psycopg://")


def open_storage(where: str) -> BaseStorage:
    """Open, or make, the storage.

    Args:
        where: Path of a journal file, or a PostgreSQL URL.

    Raises:
        ValueError: If it is neither, or cannot be reached.
    """
    if "://" not in where:
        path = Path(where)
        if path.is_dir():
            raise ValueError(f"--storage {where} is a folder: name a file, e.g. {path / 'journal.log'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        lock = JournalFileSymlinkLock(str(path))
        _cut_torn_line(path, lock)
        return JournalStorage(JournalFileBackend(str(path), lock))
    if not where.startswith(POSTGRESQL):
        raise ValueError("--storage takes the path of a journal file, or postgresql://USER:PASSWORD@HOST/DATABASE")
    address = f"postgresql+psycopg://{where.partition('://')[2]}"
    try:
        return _open_database(address)
    except ModuleNotFoundError as error:
        raise ValueError("--storage postgresql:// needs the package psycopg: pip install 'psycopg[binary]'") from error
    except (OperationalError, ArgumentError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--storage: the database cannot be reached: {reason}") from error


def _open_database(address: str) -> RDBStorage:
    for last in (False, False, True):
        try:
            return RDBStorage(address)
        except (OperationalError, ArgumentError):
            raise
        except SQLAlchemyError:  # another worker was making the tables at the same moment
            if last:
                raise
    raise AssertionError


def _cut_torn_line(path: Path, lock: JournalFileSymlinkLock) -> None:
    """Drop what a writer that died left of its line: the next line would be appended to it."""
    if not path.stat().st_size or path.read_bytes().endswith(b"\n"):
        return
    lock.acquire()
    try:
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def open_study(storage: BaseStorage, name: str, fingerprint: str, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """Open, or make, a study that maximizes.

    Raises:
        ValueError: If the study was begun with other settings.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
    )
    begun = study.user_attrs.get("fingerprint")
    if begun is None:
        study.set_user_attr("fingerprint", fingerprint)
    elif begun != fingerprint:
        raise ValueError(
            f"the study {name!r} in this storage was begun with another base config, search, sampler, seed or pruning: "
            "restore the sweep file, rename it, or name another --output or --storage"
        )
    return study
