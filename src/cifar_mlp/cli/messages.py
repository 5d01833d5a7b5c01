"""One clear line about what is wrong on the command line."""

import re

_KEY = re.compile(r'Parser key "([\w.]+)":')
_VALUE = re.compile(r"(?:Got value|Given value): (.*?)\.?$")
_EXPECTED = re.compile(r"Expected a (?:typing\.Literal\[(?P<choices>.*?)\]|<class '(?P<type>[\w.]+)'>)")
_CALLABLE = re.compile(r"^Type (?:typing|collections\.abc)\.Callable\[.*\] expects a function or a callable class: ")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "collections.abc.Sequence": "a list such as [550, 128]",
    "collections.abc.Iterable": "a list",
}
LONGEST = 500  # characters
# What jsonargparse says of its own ways to read a value.
_NOISE = re.compile(
    r"^(Does not validate against|Subtypes:|Errors:|Given value|Problem with given class_path|Expected a path but "
    r"|Subclass types expect one of|a class path \(str\)|a dict with|a dict without)"
)


def one_line(message: str) -> str:
    """A report of many lines as one: the option, what it must be or what is wrong, and what was given.

    Args:
        message: As jsonargparse or Lightning wrote it.
    """
    keys = _KEY.findall(message)
    lines = [_CALLABLE.sub("", line.strip().removeprefix("- ")) for line in _KEY.split(message)[-1].splitlines()]
    values = [found[1] for line in lines if (found := _VALUE.search(line)) and "Namespace(" not in line]
    given = next((value for value in values if not value.startswith("NestedArg(")), None)
    expected = [_in_words(found) for line in lines if (found := _EXPECTED.search(line)) and "NoneType" not in line]
    said = [_VALUE.sub("", line).strip() for line in lines if not _NOISE.match(line) and not _EXPECTED.search(line)]
    reasons = [
        re.sub(r"Expected a dot import path string: (\S+)", r"there is no class \1", line) for line in said if line
    ]
    option = f"--{'.'.join(keys)}: " if keys else ""
    if expected and not reasons:
        return shortened(f"{option}must be {' or '.join(dict.fromkeys(expected))}, not {given}")
    text = re.sub(r"\s+", " ", " ".join(dict.fromkeys(reasons))) or "failed without a message"
    return shortened(option + text + (f" (given: {given})" if given is not None and given not in text else ""))


def shortened(line: str) -> str:
    """A line of at most 500 characters; what is cut is its middle."""
    half = LONGEST // 2
    return line if len(line) <= LONGEST else f"{line[:half]} ... {line[-half:]}"


def _in_words(expected: re.Match[str]) -> str:
    if expected["choices"]:
        return "one of " + expected["choices"].replace("'", "")
    return _TYPES.get(expected["type"], expected["type"])
