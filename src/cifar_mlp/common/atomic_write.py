"""Files that are whole or not there."""

import os
import tempfile
from pathlib import Path


def write_whole(text: str, path: Path) -> None:
    """Write beside, then rename: no reader and no kill ever meets half a file.

    Args:
        text: Content, written as UTF-8.
        path: File, whose folder exists.
    """
    write_whole_bytes(text.encode(), path)


def write_whole_bytes(content: bytes, path: Path) -> None:
    """The same of bytes."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix="unfinished-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(unfinished).chmod(0o644)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
