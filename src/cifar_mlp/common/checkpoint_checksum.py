"""Whether a checkpoint is the file that was written: its own checksums say so."""

import zipfile
from pathlib import Path


def require_whole(path: str | Path) -> None:
    """Compare each record of a checkpoint with the CRC-32 that ``torch.save`` wrote beside it.

    A checkpoint is a zip archive. PyTorch writes a checksum for each record, but reads none. Files in PyTorch's format
    of before 1.6 have none and pass; so does what is no file here, such as an address.

    Args:
        path: The checkpoint.

    Raises:
        ValueError: Naming the file and what to do.
    """
    if not Path(path).is_file() or not _looks_like_archive(Path(path)):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # the reader raises anything on a damaged file
        raise ValueError(_message(path)) from error
    if damaged is not None:
        raise ValueError(_message(path))


def _looks_like_archive(path: Path) -> bool:
    """By its first bytes, or its last ones where those are damaged."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" or zipfile.is_zipfile(path)


def _message(path: str | Path) -> str:
    return (
        f"{path} is damaged: its content does not match its checksum; use another checkpoint of the run "
        "(last.ckpt, best.ckpt) or a copy"
    )
