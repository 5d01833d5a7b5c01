"""The scripts' parser: no option is shortened, and a mistake is one line."""

import pytest

from cifar_mlp.common.script_parser import OneLineParser


def test_no_option_is_shortened_and_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]):
    parser = OneLineParser(prog="some.py", description="First line\n\nsecond line")
    parser.add_argument("--output")
    assert parser.parse_args(["--output", "here"]).output == "here"
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--outp=here"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "some.py: unrecognized arguments: --outp=here\n"
    assert "First line\n\nsecond line" in parser.format_help()
