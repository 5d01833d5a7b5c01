"""docs/derivation.md matches the code: its links exist, it derives every formula, and its formulas render."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "derivation.md"
TEXT = PAGE.read_text(encoding="utf-8")
LAYERS = "../src/cifar_mlp/parity/layers.py"
LINK = re.compile(r"\[`(\w+)`\]\(([^)]+)\)")
EQUATION = re.compile(r"^\*\*\((\d+)\)\*\* Code: (.+?)\. Tests: (.+)\.$", re.MULTILINE)
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
    assert broken_links(f"[`relu_sideways`]({LAYERS}) and [`relu_forward`]({LAYERS})") == [f"relu_sideways in {LAYERS}"]
    assert broken_links("[`relu_forward`](../nowhere.py)") == ["relu_forward in ../nowhere.py"]


def misnamed_equations(text: str) -> list[str]:
    """Equations out of order, or without a function of the code or a test."""
    equations = EQUATION.findall(text)
    wrong = [] if len(equations) == text.count(" Tests: ") else ["an equation whose line cannot be read"]
    for position, (number, functions, tests) in enumerate(equations, start=1):
        code, held = LINK.findall(functions), LINK.findall(tests)
        is_code = code and all("/src/" in target for _, target in code)
        is_held = held and all("/tests/" in target and name.startswith("test_") for name, target in held)
        if int(number) != position or not is_code or not is_held:
            wrong.append(number)
    return wrong


def test_every_equation_names_its_functions_and_its_tests():
    assert len(EQUATION.findall(TEXT)) > 20
    assert misnamed_equations(TEXT) == []
    assert misnamed_equations(TEXT.replace("**(7)**", "**(8)**")) == ["8"]
    assert misnamed_equations(re.sub(r"(\*\*\(4\)\*\*.*) Tests: .*", r"\1 Tests: none.", TEXT)) == ["4"]


def underived(text: str, module: str) -> set[str]:
    """Public functions of a module that no equation links."""
    public = {name for name in functions_of(ROOT / f"src/cifar_mlp/parity/{module}.py") if name[0] != "_"}
    return public - {name for name, target in LINK.findall(text) if target.endswith(f"{module}.py")}


@pytest.mark.parametrize("module", ["layers", "two_layer", "n_layer"])
def test_every_formula_of_the_code_is_derived(module):
    assert underived(TEXT, module) == set()
    assert underived(TEXT.replace("[`silu_backward`]", "silu_backward"), "layers") == {"silu_backward"}


def unrenderable(text: str) -> list[str]:
    """Formulas that GitHub's renderer is known to break on."""
    block = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    prose = block.sub("", text)
    inline = re.findall(r"\$([^$]+)\$", prose)
    wrong = [] if prose.count("$") == 2 * len(inline) else ["a dollar sign without its pair"]
    for formula in (*block.findall(text), *inline):
        balanced = formula.count("{") == formula.count("}")
        balanced &= len(re.findall(r"\\left\b", formula)) == len(re.findall(r"\\right\b", formula))
        if not balanced or BREAKS_ON_GITHUB.search(formula):
            wrong.append(formula)
    # inside a line Markdown is read first: it takes stars, pipes and escaped signs
    wrong += [formula for formula in inline if re.search(r"[*<>|`]|\\[^a-zA-Z]|\}_", formula)]
    return wrong + [formula for formula in inline if formula != formula.strip()]


def test_formulas_render():
    assert unrenderable(TEXT) == []
    for formula in (r"a \, b", r"\operatorname{erf} x", r"\{x\}", "{x", " x", r"\left( x", "x*y*z"):
        assert unrenderable(f"{TEXT} ${formula}$") == [formula]
    assert unrenderable(TEXT + " $")
