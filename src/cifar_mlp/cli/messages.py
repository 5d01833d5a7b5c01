"""One clear line about what is wrong on the command line."""

import math
import re

_KEY = re.compile(r'Parser key "([\w.]+)":')
_VALUE = re.compile(r"(?:Got value|Given value): (.*?)(?:\. Got value: Namespace\(.*)?\.?$")
_NESTED = re.compile(r"NestedArg\(key='([\w.]+)', val=(.*?)\)")
_EXPECTED = re.compile(r"Expected a (?:typing\.Literal\[(?P<choices>.*?)\]|<class '(?P<type>[\w.]+)'>)")
_CALLABLE = re.compile(r"^Type (?:typing|collections\.abc)\.Callable\[.*\] expects a function or a callable class: ")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "collections.abc.Sequence": "a list such as [550, 128]",
    "collections.abc.Iterable": "a list",
    "dict": "settings by name, such as {crop: 4}",
}
_UNNAMED = re.compile(r"Dict must include a class_path.*NestedArg\(key='([\w.]+)'")
_OVER = re.compile(r"Tried to step \d+ times\. The specified number of total steps is (\d+)")
_SHARE = re.compile(r"requested to check ([\d.]+) of the `(\w+)_dataloader` but [\d.]+ \* (\d+) < 1")
_SEED = re.compile(r"(\S+) is not in bounds, numpy accepts from 0 to (\d+)")
LONGEST = 500  # characters
# What jsonargparse says of its own ways to read a value.
_NOISE = re.compile(
    r"^(Does not validate against|Subtypes:|Errors:|Given value|Problem with given class_path|Expected a path but "
    r"|Not a valid subclass of|Subclass types expect one of|a class path \(str\)|a dict with|a dict without)"
)


def one_line(message: str) -> str:
    """A report of many lines as one: the option, what it must be or what is wrong, and what was given.

    Args:
        message: As jsonargparse or Lightning wrote it.
    """
    if (over := _OVER.search(message)) is not None:
        return (
            f"--model.lr_scheduler.total_steps {over[1]}: the schedule is over and the training is not; give more, or "
            f"end the training there"
        )
    if (share := _SHARE.search(message)) is not None:
        least = f"{math.ceil(1000 / int(share[3])) / 1000:g}"
        options = f"--trainer.limit_{share[2]}_batches, or --trainer.overfit_batches,"
        return f"{options} {share[1]} of {share[3]} batches is less than one: give at least {least}, or a whole number"
    if (seed := _SEED.search(message)) is not None:
        return f"--seed_everything must be between 0 and {seed[2]}, not {seed[1]}"
    keys = _KEY.findall(message)
    lines = [_CALLABLE.sub("", line.strip().removeprefix("- ")) for line in _KEY.split(message)[-1].splitlines()]
    values = [found[1] for line in lines if (found := _VALUE.search(line))]
    values = [value for value in values if not value.startswith(("NestedArg(", "Namespace("))]
    nested = [found[2].strip("'") for found in _NESTED.finditer(message)]
    given = next(iter(values + nested), None)
    expected = [_in_words(found) for line in lines if (found := _EXPECTED.search(line)) and "NoneType" not in line]
    said = [_VALUE.sub("", line).strip() for line in lines if not _NOISE.match(line) and not _EXPECTED.search(line)]
    reasons = [
        re.sub(r"Expected a dot import path string: (\S+)", r"there is no class \1", line) for line in said if line
    ]
    if expected:  # a number, which jsonargparse takes for the name of a class at last
        reasons = [reason for reason in reasons if not reason.startswith("there is no class")]
    name = f"--{'.'.join(keys)}"
    option = f"{name}: " if keys else ""
    if (unnamed := _UNNAMED.search(message)) is not None:
        return f"{name}.{unnamed[1]} needs the class that it is of: name it first, by {name}"
    if expected and not reasons:
        return shortened(f"{option}must be {' or '.join(dict.fromkeys(expected))}, not {given}")
    text = re.sub(r"\s+", " ", " ".join(dict.fromkeys(reasons))) or "is not understood"
    return shortened(option + text + (f" (given: {given})" if given is not None and given not in text else ""))


def shortened(line: str) -> str:
    """A line of at most 500 characters; what is cut is its middle."""
    half = LONGEST // 2
    return line if len(line) <= LONGEST else f"{line[:half]} ... {line[-half:]}"


def _in_words(expected: re.Match[str]) -> str:
    if expected["choices"]:
        return "one of " + expected["choices"].replace("'", "")
    return _TYPES.get(expected["type"], expected["type"])
