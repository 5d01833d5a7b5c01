"""The README's commands and tree agree with the disk."""

import re
import subprocess
from pathlib import Path

import pytest

from cifar_mlp.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
TREE = README.split("<!-- tree -->")[1].split("<!-- /tree -->")[0]
COMMANDS = re.findall(r"```bash\n(.*?)```", README, re.S)


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("name", re.findall(r"[\w/.-]+(?:/|\.(?:py|sh|md|yaml|json))(?=[\s,;:)]|$)", TREE))
def test_what_the_tree_names_exists(name: str):
    found = [
        path for path in tracked() if path.endswith("/" + name) or path == name or f"/{path}".find("/" + name) >= 0
    ]
    assert found, name


def test_the_tree_names_every_folder_script_and_module_of_the_top():
    for path in tracked():
        parts = path.split("/")
        if parts[0].startswith(".") or len(parts) == 1:
            continue
        assert parts[0] + "/" in TREE, parts[0]
        if parts[:1] == ["scripts"]:
            assert parts[1] in TREE, path
        if parts[:2] == ["src", "cifar_mlp"] and len(parts) > 3:
            assert parts[2] + "/" in TREE, path


def test_every_script_and_card_that_a_command_names_exists():
    names = re.findall(r"(?:scripts|configs)/[\w/.]+\w", "\n".join(COMMANDS))
    assert names
    for name in names:
        assert (ROOT / name).exists() or name == "configs/mine.yaml", name


@pytest.mark.parametrize("line", [line for block in COMMANDS for line in block.splitlines() if "cifar-mlp fit" in line])
def test_the_options_that_the_commands_show_are_understood(line: str, capsys: pytest.CaptureFixture[str]):
    import shlex

    for command in line.split(";"):
        words = shlex.split(command.split(">")[0], comments=True)
        words = [str(ROOT / word) if word.startswith("configs/") else word for word in words]
        if words and words[0] == "cifar-mlp" and "--ckpt_path" not in words:
            shows = [] if any("help" in word or "print_config" in word for word in words) else ["--print_config"]
            with pytest.raises(SystemExit) as stopped:
                main([*words[1:], *shows])
            assert stopped.value.code == 0, capsys.readouterr().err
