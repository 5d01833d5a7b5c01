"""Copy the results and pictures of a full reproduction into the repository."""

from collections.abc import Sequence
from pathlib import Path

from cifar_mlp.common.atomic_write import write_whole_bytes
from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import load_rows, save_document
from cifar_mlp.reproduction.result_plots import Picture
from cifar_mlp.reproduction.store import Store

MOST_BYTES = 1_000_000


def publish(store: Store, pictures: Sequence[Picture], docs: Path) -> None:
    """Write ``results.json`` and ``results/*.png`` below ``docs``; texts are rendered from them.

    Args:
        store: A full reproduction.
        pictures: Drawn from it.
        docs: The repository's.

    Raises:
        ValueError: If it is quick or empty, was measured with uncommitted changes, or its pictures are too large.
    """
    document = store.current()
    if store.quick:
        raise ValueError("--publish: a quick reproduction is no result")
    if not document["runs"]:
        raise ValueError(f"--publish: {store.path} holds no runs")
    changed = sorted({row["config"] for row in document["runs"] if "+changes" in str(row["commit"])})
    if changed:
        raise ValueError(
            f"--publish: measured with uncommitted changes: {', '.join(changed)}; remove their rows' folders and "
            "results, and run again from a clean checkout"
        )
    size = sum(picture.path.stat().st_size for picture in pictures)
    if size > MOST_BYTES:
        raise ValueError(f"--publish: the pictures take {size:,} bytes, more than {MOST_BYTES:,}")
    folder = docs / "results"
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        write_whole_bytes(picture.path.read_bytes(), folder / picture.path.name)
    for left in set(folder.iterdir()) - {folder / picture.path.name for picture in pictures}:
        left.unlink()
    captions = {picture.path.name: picture.caption for picture in pictures}
    others = [row for row in load_rows(docs / "results.json") if row["config"] not in REPORT]  # the searches' best
    save_document(docs / "results.json", {**document, "runs": [*document["runs"], *others], "pictures": captions})
