"""docs/derivation.md and the code say the same: its links exist, and every formula of the code is in it."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "derivation.md"
TEXT = PAGE.read_text(encoding="utf-8")
LINK = re.compile(r"\[`(\w+)`\]\(([^)]+)\)")
EQUATION = re.compile(r"^\*\*\((\d+)\)\*\* is (.+); held by (.+)\.$", re.MULTILINE)
BREAKS_ON_GITHUB = re.compile(r"\\(operatorname|label|ref|eqref|newcommand|def|bm|require)\b")


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def broken_links(text: str) -> list[str]:
    return [
        f"{name} in {target}"
        for name, target in LINK.findall(text)
        if not (PAGE.parent / target).is_file() or name not in functions_of(PAGE.parent / target)
    ]


def test_every_linked_function_exists():
    assert len(LINK.findall(TEXT)) > 60
    assert broken_links(TEXT) == []


def test_planted_dead_link_is_caught():
    layers = "../src/cifar_mlp/parity/layers.py"
    assert broken_links(f"[`relu_sideways`]({layers}) and [`relu_forward`]({layers})") == [f"relu_sideways in {layers}"]
    assert broken_links("[`relu_forward`](../nowhere.py)") == ["relu_forward in ../nowhere.py"]


def misnamed_equations(text: str) -> list[str]:
    """Equations out of order, or without a function of the code or a test beside them."""
    equations = EQUATION.findall(text)
    wrong = [] if len(equations) == text.count("; held by ") else ["an equation whose line cannot be read"]
    for place, (number, functions, tests) in enumerate(equations, start=1):
        code, held = LINK.findall(functions), LINK.findall(tests)
        is_code = code and all("/src/" in target for _, target in code)
        is_held = held and all("/tests/" in target and name.startswith("test_") for name, target in held)
        if int(number) != place or not is_code or not is_held:
            wrong.append(number)
    return wrong


def test_every_equation_names_its_function_and_its_test():
    assert len(EQUATION.findall(TEXT)) > 20
    assert misnamed_equations(TEXT) == []


def test_planted_misnamed_equation_is_caught():
    assert misnamed_equations(TEXT.replace("**(7)**", "**(8)**")) == ["8"]
    assert misnamed_equations(re.sub(r"(\*\*\(4\)\*\*.*); held by .*", r"\1; held by nobody.", TEXT)) == ["4"]


def underived(text: str, module: str) -> set[str]:
    """Public functions of a module that no equation links."""
    public = {name for name in functions_of(ROOT / f"src/cifar_mlp/parity/{module}.py") if name[0] != "_"}
    return public - {name for name, target in LINK.findall(text) if target.endswith(f"{module}.py")}


@pytest.mark.parametrize("module", ["layers", "two_layer", "n_layer"])
def test_every_formula_of_the_code_is_derived(module):
    assert underived(TEXT, module) == set()


def test_planted_underived_formula_is_caught():
    assert underived(TEXT.replace("[`silu_backward`]", "silu_backward"), "layers") == {"silu_backward"}


def stumbles(text: str) -> list[str]:
    """Formulas that GitHub's renderer is known to trip over."""
    block = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    prose = block.sub("", text)
    inline = re.findall(r"\$([^$]+)\$", prose)
    wrong = [] if prose.count("$") == 2 * len(inline) else ["a dollar sign without its pair"]
    for formula in (*block.findall(text), *inline):
        balanced = formula.count("{") == formula.count("}")
        balanced &= len(re.findall(r"\\left\b", formula)) == len(re.findall(r"\\right\b", formula))
        if not balanced or BREAKS_ON_GITHUB.search(formula):
            wrong.append(formula)
    # within a line Markdown comes first: it takes stars, pipes and escaped signs for its own
    wrong += [formula for formula in inline if re.search(r"[*<>|`]|\\[^a-zA-Z]|\}_", formula)]
    return wrong + [formula for formula in inline if formula != formula.strip()]


def test_formulas_render():
    assert stumbles(TEXT) == []


@pytest.mark.parametrize("formula", [r"a \, b", r"\operatorname{erf} x", r"\{x\}", "{x", " x", r"\left( x", "x*y*z"])
def test_planted_formula_that_does_not_render_is_caught(formula):
    assert stumbles(f"{TEXT} ${formula}$") == [formula]


def test_planted_lone_dollar_is_caught():
    assert stumbles(TEXT + " $")
