"""One clear line for whoever typed something that cannot be."""

import difflib
import re

_NOISE = re.compile(
    r"^(Does not validate against any of the Union subtypes|Subtypes: .*|Errors:|Given value type: .*"
    r"|- Expected a <class 'NoneType'>.*|- Expected a path but .*)$"
)


def one_line(message: str) -> str:
    """A parser's report of many lines as one, without what only its authors understand.

    Args:
        message: As jsonargparse or Lightning wrote it.
    """
    lines = [line.strip() for line in str(message).splitlines()]
    kept = [line.removeprefix("- ") for line in lines if line and not _NOISE.match(line)]
    text = re.sub(r"\s+", " ", " ".join(kept)) or "failed without a message"
    text = re.sub(r"Given value: NestedArg\(key='([^']*)', val=(.*?)\)$", r"Given: \1=\2", text)
    text = re.sub(r" Given value: Namespace\(.*$", "", text)
    text = re.sub(
        r"Parser key \"model\": (?:Problem with given class_path '[^']*': |Does not validate [a-zA-Z ]*types )",
        "",
        text,
    )
    text = re.sub(r"Parser key \"(?:model\.init_args\.)?([a-z_]+)\": ", r"--model.\1: ", text)
    text = re.sub(r"Parser key \"([\w.]+)\": ", r"--\1: ", text)
    text = re.sub(r"Type typing\.Callable\[.*?\]\] expects a function or a callable class: ", "", text)
    text = re.sub(r"typing\.Literal\[(.*?)\]\.? Got value: (.*)$", r"one of \1, not \2", text)
    text = re.sub(r"Expected a one of", "must be one of", text)
    return re.sub(r"Expected a dot import path string: (\S+)", r"there is no class \1", text)


def suggestion(message: str, options: list[str]) -> str:
    """`` (did you mean ...?)`` for an unknown option's message, else nothing.

    Args:
        message: The line to be shown.
        options: Every option that exists, with dots.
    """
    unknown = re.search(r"(?:nrecognized arguments: -*|Option '|Key ')([\w.]+)", message)
    if unknown is None or not re.search(r"nrecognized|not accepted|not expected", message):
        return ""
    typed = unknown.group(1)
    by_last_name = {option.rsplit(".", 1)[-1]: option for option in options}
    close = difflib.get_close_matches(typed, options, 1) or [
        by_last_name[name] for name in difflib.get_close_matches(typed.rsplit(".", 1)[-1], by_last_name, 1)
    ]
    return f" (did you mean --{close[0]}?)" if close else ""
