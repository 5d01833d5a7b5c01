"""The README and docs/using.md agree with the disk and with the command line."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from cifar_mlp.cli import main, run

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/using.md")
TEXT = {name: (ROOT / name).read_text() for name in PAGES}
TREE = TEXT["README.md"].split("<!-- tree -->")[1].split("<!-- /tree -->")[0]
BLOCKS = {name: re.findall(r"```bash\n(.*?)```", text, re.S) for name, text in TEXT.items()}
LINES = {name: "".join(blocks).splitlines() for name, blocks in BLOCKS.items()}
FITS = sorted({line for lines in LINES.values() for line in lines if line.startswith("cifar-mlp fit")})
FROM_CONFIG = [line for line in FITS if "--config q4_best" in line and "print_config" not in line]


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_what_the_tree_names_exists():
    paths = [f"/{path}" for path in tracked()]
    named = re.findall(r"[\w/.-]+(?:/|\.(?:py|sh|md|yaml|json))(?=[\s,;:)]|$)", TREE)
    assert len(named) > 20
    missing = [name for name in named if not any(f"/{name}" in path for path in paths)]
    assert not missing


def test_the_tree_names_every_folder_script_and_room():
    parts = [path.split("/") for path in tracked()]
    wanted = {f"{first}/" for first, *rest in parts if rest and not first.startswith(".")}
    wanted |= {rest[0] for first, *rest in parts if first == "scripts"}
    wanted |= {f"{path[2]}/" for path in parts if path[:2] == ["src", "cifar_mlp"] and len(path) > 3}
    missing = [name for name in sorted(wanted) if not re.search(rf"(^|[\s/]){re.escape(name)}", TREE)]
    assert not missing


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(page: str):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def test_every_script_and_config_that_a_command_names_exists():
    names = re.findall(r"(?:scripts|configs)/[\w/.]+\w", "\n".join(line for lines in LINES.values() for line in lines))
    assert names
    assert not [name for name in names if not (ROOT / name).exists()]


def test_no_command_of_the_readme_comes_before_its_environment():
    commands = [line.split()[0] for line in LINES["README.md"]]
    first = {command: commands.index(command) for command in commands}
    assert first["scripts/fit.sh"] < first[".venv/bin/tensorboard"]
    assert first["source"] < first["cifar-mlp"]
    assert {"python", "pip"}.isdisjoint(first)


@pytest.mark.parametrize("line", FITS)
def test_the_options_of_a_command_are_understood(line: str, capsys: pytest.CaptureFixture[str]):
    Path("mine.yaml").write_text("trainer: {max_epochs: 1}\n")
    words = shlex.split(line.split(">")[0], comments=True)[1:]
    if "--ckpt_path" in words:
        pytest.skip("needs a checkpoint")
    shows = [] if any("help" in word or "print_config" in word for word in words) else ["--print_config"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, *shows])
    assert stopped.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("line", [line for line in FROM_CONFIG if "cifar100" not in line])
def test_a_command_that_changes_one_thing_trains_a_batch(line: str, small_cifar: Path):
    words = shlex.split(line, comments=True)[1:]
    few = ["--data.batch_size", "50", *(["--data.n_components", "20"] if "--data.n_components" in words else [])]
    command = run([*words, *few, "--trainer.fast_dev_run", "1"])
    assert command.trainer.global_step == 1
