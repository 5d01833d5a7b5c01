"""YAML that would never end is refused before anything walks through it."""

import pytest

from cifar_mlp.cli import main
from cifar_mlp.common.bounded_yaml import load_yaml

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(1, 10)]
)
ENDLESS = {"itself": "trainer: &a\n  b: *a\n", "bomb": BOMB, "deep": "a: " + "[" * 3000 + "]" * 3000}


def test_shared_parts_are_allowed():
    assert load_yaml("a: &a [1]\nb: *a\n") == {"a": [1], "b": [1]}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_config_that_never_ends_is_one_line(name: str, tmp_path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "config.yaml"
    path.write_text(ENDLESS[name])
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", str(path)])
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert f"--config {path}" in line
