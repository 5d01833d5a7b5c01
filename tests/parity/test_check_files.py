"""``scripts/parity.py check``: files and folders of submissions, each in a process of its own."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cifar_mlp.parity.check.folder import ResultTable
from cifar_mlp.parity.check.submission import UnusableError, check_file, parse_widths
from tests.parity.test_check import SOURCE

ROOT = Path(__file__).parents[2]
HEAD = "def loss_and_gradients(params, X, y, reg):\n"
UNPACKED = '    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]\n'
ANSWER = '{"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}'
FIRST = "    N = X.shape[0]\n"
NO_MASK = SOURCE.replace("da2 * (z2 > 0)", "da2")


def check(folder: Path, source: str, name: str = "loss_and_gradients", **options: Any) -> Any:
    path = folder / "homework.py"
    path.write_text(source)
    return check_file(path, name, "11-8-5:57", **options)


BARE = (
    SOURCE.replace(UNPACKED, '    W1, W2 = params["W1"], params["W2"]\n').replace(" + b1", "").replace(" + b2", "")
    .replace(ANSWER, '{"W1": dW1, "W2": dW2}')
)  # fmt: skip


FORMS = {
    "named arguments": SOURCE.replace("(params, X, y,", "(X, y, W1, b1, W2, b2,").replace(UNPACKED, ""),
    "arguments of their own names": SOURCE.replace("(params, X, y, reg", "(theta1, c1, theta2, c2, X, y, reg_lambda")
        .replace(UNPACKED, "    W1, b1, W2, b2, reg = theta1, c1, theta2, c2, reg_lambda\n")
        .replace(ANSWER, "(dW1, db1, dW2, db2)"),
    "biases in the weights": SOURCE
        .replace(UNPACKED, "    W1, b1, W2, b2 = (part for theta in params for part in (theta[1:], theta[0]))\n")
        .replace(ANSWER, "[np.vstack([db1, dW1]), np.vstack([db2, dW2])]"),
    "a list": SOURCE.replace(UNPACKED, "    W1, b1, W2, b2 = params\n").replace(ANSWER, "[dW1, db1, dW2, db2]"),
    "names of their own": SOURCE.replace('"W', '"weight_').replace('"b', '"bias_'),
    "numbers in a loop": SOURCE.replace('params["W1"], params["b1"], params["W2"], params["b2"]',
                                        '[params[f"{k}{i}"] for i in (0, 1) for k in "wb"]')
                               .replace(ANSWER, '{"w0": dW1, "b0": db1, "w1": dW2, "b1": db2}'),
    "pairs": SOURCE.replace(UNPACKED, "    (W1, b1), (W2, b2) = params\n").replace(ANSWER, "[(dW1, db1), (dW2, db2)]"),
    "attributes": SOURCE.replace(UNPACKED, "    W1, b1, W2, b2 = params.W1, params.b1, params.W2, params.b2\n"),
    "rows of biases": SOURCE.replace("axis=0)", "axis=0, keepdims=True)"),
    "names of layers": SOURCE.replace('["W', '["fc').replace('["b1', '["fc1.bias').replace('["b2', '["fc2.bias')
                             .replace('["fc1"]', '["fc1.weight"]').replace('["fc2"]', '["fc2.weight"]')
                             .replace('"W1": dW1, "b1": db1, "W2": dW2, "b2": db2',
                                      '"fc1.weight": dW1, "fc1.bias": db1, "fc2.weight": dW2, "fc2.bias": db2'),
    "names in a helper": SOURCE.replace(UNPACKED, "    W1, b1, W2, b2 = unpack(params)\n")
                         .replace('"W', '"weight_').replace('"b', '"bias_')
                         + UNPACKED.replace("    W1, b1, W2, b2 =", "def unpack(params):\n    return")
                                   .replace('"W', '"weight_').replace('"b', '"bias_'),
    "a docstring with digits": SOURCE.replace(FIRST, "    'X is N x 11, b1 is 1 x 8, the 2 layers'\n" + FIRST),
    "no biases": BARE,
    "no biases, a list": BARE.replace('params["W1"], params["W2"]', "params")
                             .replace('{"W1": dW1, "W2": dW2}', "[dW1, dW2]"),
    "one-hot labels": SOURCE.replace(FIRST, FIRST + "    assert y.shape == (N, 5)\n    y = y.argmax(axis=1)\n"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_form_that_a_function_takes_is_found(form: str, tmp_path: Path):
    assert check(tmp_path, FORMS[form]).verdict == "right"


def test_one_hot_labels_are_given_where_integers_serve_but_give_no_known_loss(tmp_path: Path):
    source = """
import numpy as np

def loss_and_gradients(params, X, Y, reg):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    m = X.shape[1]
    A1 = np.maximum(0, W1 @ X + b1)
    P = np.exp(W2 @ A1 + b2)
    P /= P.sum(axis=0)
    loss = -np.sum(Y * np.log(P)) / m + reg * ((W1**2).sum() + (W2**2).sum())
    D2 = (P - Y) / m
    D1 = (W2.T @ D2) * (A1 > 0)
    return loss, {"W1": D1 @ X.T + 2 * reg * W1, "b1": D1.sum(axis=1, keepdims=True),
                  "W2": D2 @ A1.T + 2 * reg * W2, "b2": D2.sum(axis=1, keepdims=True)}
"""
    report = check(tmp_path, source)
    assert report.causes == [
        "not finite with scores near 800 (float32: 100): the exponential lacks the shift by the maximum"
    ]
    assert all(tensor.right for tensor in report.tensors)


def test_one_layer_s_names_have_no_numbers_though_its_docstring_has(tmp_path: Path):
    source = """
import numpy as np

def loss_and_gradients(params, X, y, reg):
    '''W: D x C, b: 1 x C'''
    scores = X @ params["W"] + params["b"]
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean() + reg * (params["W"] ** 2).sum()
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return loss, {"W": X.T @ p + 2 * reg * params["W"], "b": p.sum(axis=0)}
"""
    (tmp_path / "homework.py").write_text(source)
    assert check_file(tmp_path / "homework.py", "loss_and_gradients", "11-5:57").verdict == "right"


def test_forgotten_bias_gradients_are_no_network_without_biases(tmp_path: Path):
    report = check(tmp_path, SOURCE.replace(ANSWER, '{"W1": dW1, "W2": dW2}'))
    assert report.cause == "it returned 2 of 4 gradients: b1, b2 are missing"


def test_a_wrong_one_in_a_list_is_named_by_its_parameter(tmp_path: Path):
    report = check(tmp_path, FORMS["a list"].replace("db1 = dz2.sum(axis=0)", "db1 = dz2[0]"))
    assert [tensor.name for tensor in report.tensors if not tensor.right] == ["b1"]
    assert report.cause.startswith("b1: it is that of one example, the first")


def test_a_class_of_the_course_s_kind_is_built_and_checked(tmp_path: Path):
    kind = """
class Net:
    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        self.params = {"W1": std * np.random.randn(input_size, hidden_size), "b1": np.zeros(hidden_size),
                       "W2": std * np.random.randn(hidden_size, output_size), "b2": np.zeros(output_size)}
    def loss(self, X, y=None, reg=0.0):
        return loss_and_gradients(self.params, X, y, reg)
"""
    assert check(tmp_path, SOURCE + kind, "Net").verdict == "right"
    assert "mask" in check(tmp_path, NO_MASK + kind, "Net").cause


UNUSABLE = {
    "no such function": ("x = 1\n", "homework.py: no function or class named loss_and_gradients"),
    "a mistake in the syntax": (
        HEAD + "    return (1\n",
        "homework.py:2: SyntaxError: '(' was never closed: return (1",
    ),
    "an import that fails": ("import nowhere_to_be_found\n", "(line 1: import nowhere_to_be_found)"),
    "too few arguments": ("\ndef loss_and_gradients(a, b): ...\n", "homework.py:2: it takes 2 arguments (a, b)"),
    "too many arguments": ("def loss_and_gradients(a, b, c, d, e, f): ...\n", "it takes 6 arguments"),
    "no function": ("loss_and_gradients = 3\n", "is no function"),
    "another depth": (
        HEAD + "    return 0.0, {'W3': params['W3'] @ params['W2']}\n",
        "homework.py:1: it raised KeyError: 'W3' (line 2: return 0.0, {'W3': params['W3'] @ params['W2']}); "
        "with weights for 11-8-5: are --sizes right?",
    ),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_cannot_be_used_is_a_line(what: str, tmp_path: Path):
    source, words = UNUSABLE[what]
    with pytest.raises(UnusableError) as raised:
        check(tmp_path, source)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("sizes", ["11-8-5", "11-8-8:57", "8-8-5:57", "11-57-5:57", "57:5", "11-1-5:57", "a-b:c"])
def test_sizes_that_are_none_are_refused(sizes: str):
    with pytest.raises(ValueError, match=r"^--sizes: "):
        parse_widths(sizes)


def test_hidden_layers_may_be_equally_wide():
    assert parse_widths("11-8-8-5:57") == ([11, 8, 8, 5], 57)


SUBMISSIONS = {
    "a_right": SOURCE,
    "b_wrong": NO_MASK,
    "c_exits": SOURCE.replace(FIRST, "    import os; os._exit(0)\n" + FIRST),
    "d_forks": SOURCE.replace(FIRST, "    import os; os.fork()\n" + FIRST),
    "e_prints": f"import os\nos.write(1, b'x' * 9_000_000)\nprint('y' * 9_000_000)\n{SOURCE}",
    "f_crashes": SOURCE.replace(FIRST, "    import os; os.abort()\n" + FIRST),
    "g_syntax": "def (\n",
    "h_hangs": SOURCE.replace(FIRST, "    while True: pass\n" + FIRST),
}
ROWS = {
    "a_right": ("right", "", ""),
    "b_wrong": ("wrong", "W1 b1", "dz1: mask skipped"),
    "c_exits": ("unusable", "", "it ended its process with exit code 0"),
    "d_forks": ("unusable", "", "it forks: a submission must not start processes"),
    "e_prints": ("right", "", ""),
    "f_crashes": ("unusable", "", "it was ended by SIGABRT"),
    "g_syntax": ("unusable", "", "g_syntax.py:1: SyntaxError: invalid syntax: def ("),
    "h_hangs": ("unusable", "", "no answer within 3 seconds"),
}


@pytest.mark.slow
def test_a_folder_is_one_row_a_file_and_an_interruption_keeps_the_rows(tmp_path: Path):
    folder, table = tmp_path / "submissions", tmp_path / "out.csv"
    folder.mkdir()
    for name, source in SUBMISSIONS.items():
        (folder / f"{name}.py").write_text(source)
    command = [sys.executable, str(ROOT / "scripts" / "parity.py"), "check", str(folder), "--csv", str(table)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "--seconds", "200"], env=environment, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        lines = [first.stderr.readline() for _ in range(len(SUBMISSIONS) - 1)]
        first.send_signal(signal.SIGINT)
        rest = first.stderr.read()
    assert first.returncode == 130
    assert "interrupted; the rows in" in rest
    assert all("of 8] " in line and len(line) < 300 for line in lines)
    assert not any("h_hangs" in line for line in lines)

    with table.open("a") as file:
        file.write(f"{folder}/h_hangs.py,wri")  # as cut short by a power failure
    again = subprocess.run([*command, "--seconds", "3"], env=environment, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0
    assert f"7 rows are in {table} already and are kept\n[1 of 1] {folder}/h_hangs.py" in again.stderr
    assert again.stdout == f"written: {table}\n"
    header, *rows = csv.reader(table.read_text().splitlines())
    assert header == ["file", "verdict", "tensor", "cause"]
    found = {Path(row[0]).stem: tuple(cell.replace(f"{folder}/", "") for cell in row[1:]) for row in rows}
    assert found == ROWS


def test_another_table_is_not_written_into(tmp_path: Path):
    (tmp_path / "grades.csv").write_text("name,grade\nA,1\n")
    with pytest.raises(ValueError, match=r"^--csv: .*grades.csv is not a table of checks"):
        ResultTable(tmp_path / "grades.csv")
