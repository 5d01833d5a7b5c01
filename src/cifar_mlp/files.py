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
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix="unfinished-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(unfinished).chmod(0o644)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
