"""Options as the command line takes them, and configs as the command line's parser writes them."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cifar_mlp.cli import run
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.run_folder import flat
from cifar_mlp.sweep.sweep_file import Options, Space, encode


def arguments(space: Space, options: Options | None) -> list[str]:
    """What ``cifar-mlp fit`` takes.

    Args:
        space: The sweep.
        options: Drawn values, which go with the sweep's settings; ``None`` for the base config as it stands.
    """
    chosen = {} if options is None else {**space.settings, **options}
    return ["--config", str(space.base), *(f"--{name}={_text(value)}" for name, value in chosen.items())]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def config_text(fit_arguments: list[str], everything: bool = False) -> str:
    """The config that these arguments amount to.

    Args:
        fit_arguments: What ``cifar-mlp fit`` takes.
        everything: Write defaults too.

    Raises:
        ValueError: If the parser refuses them; its own line.
    """
    printed, refused = io.StringIO(), io.StringIO()
    how = "--print_config" if everything else "--print_config=skip_default"
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(refused):
        try:
            run(["fit", *fit_arguments, how])
        except SystemExit as end:
            if end.code:
                line = refused.getvalue().strip().splitlines()[-1]
                raise ValueError(line.removeprefix("cifar-mlp: error: ")) from None
    return printed.getvalue()


def require_options(space: Space) -> None:
    """See that the command line takes every option with each of its choices and both ends of its range.

    Raises:
        ValueError: For the first that it does not, and where there is no validation; names the file.
    """
    ends = {name: _ends(distribution) for name, distribution in space.search.items()}
    trials: list[Options | None] = [None] if space.settings else []  # the first trial has none of them
    trials += [
        {name: values[number % len(values)] for name, values in ends.items()}
        for number in range(max(map(len, ends.values())))
    ]
    for options in trials:
        try:
            settings = flat(yaml.safe_load(config_text(arguments(space, options))))
        except ValueError as error:
            raise ValueError(f"{space.path}: {error}") from error
        if settings.get("data.val_size") == 0:
            raise ValueError(
                f"{space.path}: data.val_size 0 leaves no validation, by which trials are compared: drop it"
            )


def _ends(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return [distribution.low, distribution.high]


def base_values(space: Space) -> Options:
    """What the base config says of the searched options, where that is within their ranges.

    Empty where the sweep has settings of its own: the base config is then no point among the others.
    """
    if space.settings:
        return {}
    settings = flat(yaml.safe_load(config_text(arguments(space, None), everything=True)))
    plain = {name.replace(".init_args", "").removesuffix(".class_path"): value for name, value in settings.items()}
    values: Options = {}
    for name, distribution in space.search.items():
        value = encode(plain.get(name.replace(".init_args", "")))
        try:
            if distribution._contains(distribution.to_internal_repr(value)):
                values[name] = value
        except (ValueError, TypeError):  # not one of the choices, or no number
            continue
    return values


def write_config(path: Path, comments: list[str], text: str) -> None:
    """Write a config with its comments on top, complete or not at all."""
    heading = "".join(f"# {line}\n" for line in comments)
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    write_whole(heading + body, path)
