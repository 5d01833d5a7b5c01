"""Configs are found by name."""

from pathlib import Path

import pytest

from cifar_mlp.common import configs
from cifar_mlp.common.configs import find_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["q4_best", "q4_best.yaml", "report/q4_best", "report/q4_best.yaml"])
def test_a_config_of_the_package_is_found_by_name(name: str):
    assert find_config(name).samefile(ROOT / "configs" / "report" / "q4_best.yaml")


def test_every_config_of_the_repository_is_found_by_its_bare_name():
    for path in (ROOT / "configs").rglob("*.yaml"):
        assert find_config(path.stem).samefile(path)


def test_a_file_wins_over_a_name_and_a_folder_does_not():
    Path("q4_best").mkdir()
    assert find_config("q4_best").name == "q4_best.yaml"
    Path("q4_best").rmdir()
    Path("q4_best").write_text("trainer: {}\n")
    assert find_config("q4_best") == Path("q4_best")


def test_an_unknown_name_gets_one_line_with_what_there_is():
    with pytest.raises(ValueError, match=r"config 'q4_bset' is neither .*; did you mean q4_best\b[^\n]*\?$"):
        find_config("q4_bset")
    with pytest.raises(ValueError, match=r"^[^\n]*there are: quickstart, record/cpu_10min, [^\n]*$"):
        find_config("nowhere/xyz.yaml")


def test_an_ambiguous_name_gets_the_names_to_choose_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yaml").touch()
    monkeypatch.setattr(configs, "CONFIGS", tmp_path)
    with pytest.raises(ValueError, match="could be any of one/mine, two/mine: give its folder too"):
        find_config("mine")
    assert find_config("two/mine") == tmp_path / "two" / "mine.yaml"
