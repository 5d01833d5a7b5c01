"""How far the images and labels that were read are proven to be the published ones."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from cifar_mlp.data.forms.batch_files import BinaryBatches, Part, PythonBatches, Records
from cifar_mlp.data.forms.fingerprints import digest_of_file, in_known_order
from cifar_mlp.data.forms.format_detection import Form

PUBLISHED = "every image and label is the published one"
HAS_MD5 = "every file has its published MD5"
NOT_COMPARED = "of the right size; without coarse labels they could not be compared with the published ones"
DIFFERS = "of the right size, but the images, the labels or their order differ from the published binary version"


class FoundPart(NamedTuple):
    """The images and labels of one part.

    Attributes:
        images: uint8 ``(N, 3, 32, 32)``.
        labels: int64 ``(N,)``.
        form: Where they were read.
        checked: What came of the comparison: one of this module's constants.
    """

    images: Tensor
    labels: Tensor
    form: Form
    checked: str

    @property
    def is_proven(self) -> bool:
        """Whether nothing else can be there than what was published."""
        return self.checked in (PUBLISHED, HAS_MD5)


def compared(
    records: Records, form: Form, part: Part, fingerprints: Sequence[str] | None, file_digest: str | None
) -> tuple[Records, str]:
    """Compare ``records`` with what is known of the published ones.

    A form is refused only if it must be the same to the byte. Of CIFAR-100 that is the binary version itself: whether
    the others give its bytes, order included, could not be tried.

    Args:
        records: What was read.
        form: Where.
        part: Which.
        fingerprints: Of each batch, computed from an original; ``None`` if none was at hand.
        file_digest: SHA-256 of the authors' binary file; ``None`` if unknown.

    Returns:
        The records in the authors' order, and in words what came out.

    Raises:
        ValueError: If they are not the published ones.
    """
    if fingerprints is not None:
        where = f"{form.path} ({form.words})"
        return Records(*in_known_order(records.pixels, records.labels, fingerprints, where)), PUBLISHED
    if type(form) is PythonBatches:
        return records, HAS_MD5
    found = digest_of_file(records)
    if file_digest is None or found is None:
        return records, NOT_COMPARED
    if found == file_digest:
        return records, PUBLISHED
    if not isinstance(form, BinaryBatches):
        return records, DIFFERS
    raise ValueError(
        f"{form.path} does not hold the published images and labels: the SHA-256 of {form.names(part)[0]} is {found}, "
        f"expected {file_digest}; replace it with the original"
    )
