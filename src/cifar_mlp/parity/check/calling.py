"""Call somebody's function: its arguments by role, quietly, with the same random numbers, and read its answer."""

import contextlib
import inspect
import io
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cifar_mlp.parity.check.structures import as_tensor, has_names, is_single, leaves, match

OF_LAMBDA = r"_?(strength|param(eter)?|factor|coeff?|coefficient|weight|rate|const(ant)?|value|val|penalty)"
LAMBDA = (
    rf"(l2_?)?reg(ul(arization|arizer)?)?({OF_LAMBDA}|_?(lam(bda)?|l2))?|l2{OF_LAMBDA}?|weight_?decay|wd"
    rf"|(reg|l2|weight)?_?(lam|lambd|lambda_?|lmbda|lamda)({OF_LAMBDA}|_?(reg|l2))?"
)
ROLES = {
    "inputs": r"x|xs|inputs?|data|images?|features|x_?(train|batch|b|nd)|batch",
    "labels": r"y|ys|labels?|targets?|t|y_?(true|train|batch|b|onehot|hot)|onehot|one_hot",
    "regularization": rf"{LAMBDA}|alpha|decay",
    "masks": r"masks?|kept|keep_?masks?|dropout_?masks?|drop_?masks?",
}


REORDERED = "the gradients come in another order than the parameters; they were matched by their shapes"
EXPECTED = "expected (parameters, inputs, labels, regularization)"


class SubmissionError(Exception):
    """The checked function failed or answered nothing usable; the message is one line."""


class SignatureError(SubmissionError):
    """It cannot take these arguments."""


class Discard(io.TextIOBase):
    """Takes any output and keeps none."""

    def write(self, text: str) -> int:
        """Nothing."""
        return len(text)


class Answer(NamedTuple):
    """A loss and arrays by parameter name, in the user's shapes."""

    loss: float
    gradients: dict[str, Tensor]
    extra: dict[str, Tensor]
    single: bool  # answers in float32
    reordered: bool = False  # a list without names, in another order than the parameters


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """No output and no warnings of the function; fixed random numbers."""
    before = torch.random.get_rng_state(), np.random.get_state()
    torch.default_generator.manual_seed(0)  # torch.manual_seed also notes a traceback for CUDA, each time
    np.random.seed(0)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(Discard()),
            contextlib.redirect_stderr(Discard()),
        ):
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"), torch.enable_grad():
                yield
    finally:
        torch.random.set_rng_state(before[0])
        np.random.set_state(before[1])


def guarded(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call it; an exception becomes one line with the place in the user's file."""
    try:
        with quietly():
            return function(*arguments, **named)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = r"site-packages|cifar_mlp.parity.check|<frozen|/lib/python"
        place = next((frame for frame in reversed(frames) if not re.search(ours, frame.filename)), None)
        where = f" (line {place.lineno}: {place.line})" if place and place.line else ""
        text = re.sub(r"\s+", " ", str(error)[:300]) or "no message"
        raise SubmissionError(f"it raised {type(error).__name__}: {text}{where}") from error


def arguments_for(function: Callable[..., Any], tree: Any, by_role: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by the names in its signature; in the declared order where names say nothing."""
    order = [tree, *(by_role[role] for role in ROLES if by_role.get(role) is not None)]
    try:
        known = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return order, {}
    if any(p.kind == p.VAR_POSITIONAL for p in known):
        return order, {}
    known = [p for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    named = isinstance(tree, Mapping) or hasattr(tree, "_fields")
    single = {name.lower(): value for name, value in leaves(tree)} if named else {}
    values: dict[str, Any] = {}
    free = []
    for parameter in known:
        name = parameter.name.lower()
        role = next((role for role, pattern in ROLES.items() if re.fullmatch(pattern, name)), None)
        if name in single:
            values[parameter.name] = single[name]
        elif role and by_role.get(role) is not None:
            values[parameter.name] = by_role[role]
        elif parameter.default is parameter.empty:
            free.append(parameter.name)
    used_single = any(name.lower() in single for name in values)
    if len(known) < 3 and not used_single:
        raise SignatureError(f"it takes {len(known)} arguments ({', '.join(p.name for p in known)}); {EXPECTED}")
    if len(free) == 1 and not used_single:
        values[free.pop()] = tree
    separate = leaves(tree)
    rest = [value for _, value in separate if not any(value is taken for taken in values.values())]
    if len(free) == len(rest) > 1 and not any(value is tree for value in values.values()):  # names unknown here
        values |= zip(free, rest, strict=True)
        free, used_single = [], True
    if free or (not used_single and not any(value is tree for value in values.values())):
        places = [p for p in known if p.kind != p.KEYWORD_ONLY]
        required = sum(p.default is p.empty for p in places)
        if required > len(order):
            raise SignatureError(f"it takes {required} arguments ({', '.join(p.name for p in places)}); {EXPECTED}")
        return order[: max(len(places), 1)], {}
    positional = [p.name for p in known if p.kind == p.POSITIONAL_ONLY]
    return [values.pop(name) for name in positional if name in values], values


def is_regularization(name: str) -> bool:
    """Whether an argument of this name is the penalty's factor."""
    return re.fullmatch(ROLES["regularization"], name.lower()) is not None


def read_answer(result: Any, tree: Any, names: list[str], shapes: list[tuple[int, ...]]) -> Answer:
    """The loss and the gradients by name.

    Raises:
        SubmissionError: If there is no loss, or fewer gradients than parameters.
    """
    loss, rest = split(result)
    found: list[tuple[str, Any]] = []
    for name, value in leaves(rest):
        with contextlib.suppress(ValueError, TypeError):
            as_tensor(value)
            found.append((name, value))
    if not found:
        found = [
            (name, value.grad) for name, value in leaves(tree) if isinstance(value, Tensor) and value.grad is not None
        ]
    if not found:
        raise SubmissionError("it returned no gradients; expected (loss, gradients)")
    taken = match(found, names, shapes)
    missing = [name for name in names if name not in taken]
    if missing and not isinstance(tree, nn.Module):
        raise SubmissionError(f"it returned {len(found)} of {len(names)} gradients: {', '.join(missing)} "
                              f"{'are' if len(missing) > 1 else 'is'} missing")  # fmt: skip
    if missing:
        raise SubmissionError(f"no .grad in {', '.join(missing)}")
    gradients = {name: as_tensor(found[taken[name]][1]) for name in names}
    extra = {name: as_tensor(value) for i, (name, value) in enumerate(found) if i not in taken.values()}
    least = 1e-9 * max(float(gradient.norm()) for gradient in gradients.values())  # below, it is rounding
    single = any(is_single(found[i][1]) for name, i in taken.items() if float(gradients[name].norm()) > least)
    reordered = list(taken.values()) != sorted(taken.values()) and not has_names(found)
    return Answer(loss, gradients, extra, single, reordered)


def split(result: Any) -> tuple[float, Any]:
    """The loss, and whatever came with it."""
    if isinstance(result, Mapping):
        for key in result:
            if re.search("loss|cost|^j$", str(key).lower()) and _scalar(result[key]) is not None:
                return _scalar(result[key]), {k: v for k, v in result.items() if k != key}  # type: ignore[return-value]
        raise SubmissionError("it returned a mapping without a loss; expected (loss, gradients)")
    if (value := _scalar(result)) is not None:
        return value, None
    if not isinstance(result, tuple | list) or not result:
        raise SubmissionError(f"it returned {type(result).__name__}; expected (loss, gradients)")
    first = [i for i, part in enumerate(result) if _scalar(part) is not None]
    if not first:
        shape = np.shape(result[0]) if isinstance(result[0], Tensor | np.ndarray) else None
        if shape:
            raise SubmissionError(f"the loss has shape {tuple(shape)}: it is not summed over the examples")
        raise SubmissionError("its first value is no number; expected (loss, gradients)")
    rest = [part for i, part in enumerate(result) if i != first[0]]
    return _scalar(result[first[0]]), rest[0] if len(rest) == 1 else _merged(rest)  # type: ignore[return-value]


def _merged(rest: list[Any]) -> Any:
    """Gradients and intermediates returned apart, as one mapping; otherwise the list itself."""
    if rest and all(isinstance(part, Mapping) for part in rest):
        return {key: value for part in reversed(rest) for key, value in part.items()}
    return rest


def _scalar(value: Any) -> float | None:
    if isinstance(value, bool | str) or value is None:
        return None
    if isinstance(value, int | float | np.number):
        return float(value)
    if isinstance(value, Tensor | np.ndarray) and np.prod(np.shape(value)) == 1 and len(np.shape(value)) <= 2:
        return float(as_tensor(value).reshape(()))
    return None
