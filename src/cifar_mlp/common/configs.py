"""The configs that come with the package, found by name."""

import difflib
from pathlib import Path

import cifar_mlp

CONFIGS = Path(cifar_mlp.__file__).with_name("configs")  # in a clone a link to configs/, in a wheel a copy of it


def find_config(name: str) -> Path:
    """The file that ``--config NAME`` means.

    Args:
        name: Path of a file, else the name of one of the package's configs with or without its folders and
            ``.yaml``: ``q4_best``, ``report/q4_best``, ``report/q4_best.yaml``.

    Raises:
        ValueError: If there is no such file and no or more than one config of that name; one line that says what
            there is.
    """
    if Path(name).is_file():
        return Path(name)
    names = sorted(path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml"))
    wanted = name.removesuffix(".yaml")
    matches = [known for known in names if known == wanted] or [
        known for known in names if known.endswith(f"/{wanted}")
    ]
    if len(matches) == 1:
        return CONFIGS / f"{matches[0]}.yaml"
    if matches:
        raise ValueError(f"config {name!r} could be any of {', '.join(matches)}: give its folder too")
    by_last_part = {known.rsplit("/", 1)[-1]: known for known in names}
    close = difflib.get_close_matches(wanted.rsplit("/", 1)[-1], by_last_part, 3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(names)}"
    raise ValueError(f"config {name!r} is neither a file nor one of the package's configs; {hint}")
