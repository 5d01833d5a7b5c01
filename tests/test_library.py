"""Every example of docs/library.md runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "library.md").read_text()
EXAMPLES = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## |^```).)*?^```python\n(.*?)^```", PAGE, re.M | re.S))
HEADINGS = re.findall(r"^## (.+)", PAGE, re.M)


def test_every_section_has_an_example_of_at_most_twenty_lines():
    assert list(EXAMPLES) == HEADINGS
    assert {name: text.count("\n") for name, text in EXAMPLES.items() if text.count("\n") > 20} == {}


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")
@pytest.mark.filterwarnings("ignore:.*Skipping val loop")
@pytest.mark.filterwarnings("ignore:.*no `val_dataloader`")
@pytest.mark.filterwarnings("ignore:.*`val_dataloader` but have no `validation_step`")
@pytest.mark.filterwarnings("ignore:.*val_dataloader` but have no `validation_step")
@pytest.mark.usefixtures("small_cifar", "views")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str):
    exec(compile(EXAMPLES[name], f"docs/library.md, {name}", "exec"), {"__name__": "example"})
