"""The files that other programs read: the workflow, the hooks and the citation."""

import re
from pathlib import Path

import yaml

import cifar_mlp

ROOT = Path(__file__).resolve().parent.parent


def load(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text())


def test_hooks_check_what_the_gate_checks():
    gate = set(re.findall(r'"\$python" -m (.+)', (ROOT / ".ci" / "run").read_text()))
    hooks = [hook["entry"] for repo in load(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    told = {entry.removeprefix(".venv/bin/python -m ").replace(" --force-exclude", "") for entry in hooks}
    assert told == {command.removesuffix(" .") for command in gate}


def test_the_workflow_runs_the_gate_and_commands_that_exist():
    jobs = load(".github/workflows/ci.yml")["jobs"]
    steps = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert steps["linux"] == [".ci/run"]
    commands = [step.split()[1] for step in steps["macos"] if step.startswith("cifar-mlp")]
    assert commands == ["fit", "test", "predict", "export"]


def test_the_citation_names_this_version_and_licence():
    citation = load("CITATION.cff")
    assert citation["version"] == cifar_mlp.__version__
    assert citation["license"] == "MIT"
    assert (ROOT / "CHANGELOG.md").read_text().count(f"({cifar_mlp.__version__})") == 1
