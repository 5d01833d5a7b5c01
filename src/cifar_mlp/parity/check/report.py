"""What a check found, for people and for programs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

RIGHT, WRONG, OTHER, LOSS, UNSURE = "right", "wrong", "another function", "loss wrong", "inconclusive"
MEANING = {
    RIGHT: "the gradients are right",
    WRONG: "the gradients are wrong",
    OTHER: "these are the right gradients of another function",
    LOSS: "the gradients are right, the loss is not",
    UNSURE: "not decided",
}


class TensorReport(NamedTuple):
    """One gradient: its relative error (normwise) against each reference, where there is one."""

    name: str
    shape: tuple[int, ...]
    right: bool
    error: float | None  # against the hand-derived gradient
    own_error: float | None  # against central differences of the function's own loss
    words: str = ""


@dataclass
class Report:
    """The verdict, a line a tensor, and where to look."""

    verdict: str
    tensors: list[TensorReport] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether the gradients are those of the function's own loss, and no fault was found."""
        return self.verdict in (RIGHT, OTHER)

    @property
    def cause(self) -> str:
        """All causes in one line."""
        return "; ".join(self.causes)

    def misshapen(self, words: Mapping[str, str]) -> None:
        """Add what is wrong with the shapes of tensors, by name; these causes come first."""
        more = self.causes if self.verdict == WRONG else []
        self.verdict, self.causes = WRONG, [*(f"{name}: {said}" for name, said in words.items()), *more]
        self.tensors = [t._replace(right=False, words=words[t.name]) if t.name in words else t for t in self.tensors]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "right": self.right, "tensors": [tensor._asdict() for tensor in self.tensors]}

    def raise_if_wrong(self) -> None:
        """Raise ``AssertionError`` with the report if a gradient or the loss is wrong."""
        if self.verdict in (WRONG, LOSS):
            raise AssertionError(str(self))

    def __str__(self) -> str:
        width = max((len(tensor.name) for tensor in self.tensors), default=0)
        lines = [_line(tensor, width) for tensor in self.tensors]
        lines.append(f"{self.verdict}: {MEANING[self.verdict]}")
        lines += [f"  {cause}" for cause in self.causes]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _line(tensor: TensorReport, width: int) -> str:
    errors = [
        f"{value:.1e} from {what}"
        for value, what in ((tensor.error, "ours"), (tensor.own_error, "its loss's differences"))
        if value is not None
    ]
    shape = " x ".join(map(str, tensor.shape)) or "number"
    verdict = "right" if tensor.right else "WRONG"
    words = f"; {tensor.words}" if tensor.words else ""
    return f"{tensor.name:{width}}  {shape:>9}  {verdict}  {', '.join(errors)}{words}"
