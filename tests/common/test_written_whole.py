"""Every place in the sources that writes a file writes it beside its target and renames it, or stands here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITERS = {"write_text", "write_bytes", "savefig", "savetxt", "savez", "savez_compressed", "imsave", "to_csv"}
MODES = set("wax+")
# What is written in its place, and why nobody reads a part of it as the whole
IN_PLACE = {
    "src/cifar_mlp/training/checkpoint_file.py: torch.save(checkpoint, file)": "within replacing",
    "src/cifar_mlp/data/cache.py: torch.save({'tensors': tensors, 'sha256': _digest(tensors)}, file)": "the same",
    "src/cifar_mlp/studies/outcome.py: np.savez_compressed": "the same",
    "src/cifar_mlp/export/file_formats.py: program.save(path, external_data=False)": "export_command gives a new file",
    "src/cifar_mlp/export/file_formats.py: torch.export.save(program, path": "the same",
    "src/cifar_mlp/export/int8.py: onnx.save(model, path)": "the same",
    "src/cifar_mlp/pictures/style.py: Image.fromarray(drawn).save(content": "into memory",
    "src/cifar_mlp/reproduction/result_plots.py: few.save(small": "into memory",
    "src/cifar_mlp/callbacks/checkpoints.py: logger.save()": "events, appended to; hparams.yaml: RunLogger",
    "src/cifar_mlp/cli/run_logger.py: super().save()": "the same",
    "src/cifar_mlp/data/download/fetch.py: self.pieces.path(start": "pieces are compared by length",
    "src/cifar_mlp/data/download/pieces.py: whole.open('wb')": "in a folder of its own, unpacked after its checksum",
    "src/cifar_mlp/parity/check/folder.py: path.open('a'": "one row for each submission, appended to",
    "src/cifar_mlp/sweep/process.py: (folder / 'output.txt').open('w')": "a log, for people",
    "src/cifar_mlp/sweep/storage.py: path.open('r+b')": "cuts a torn last line off a journal",
    "src/cifar_mlp/reproduction/training.py: open(self.log, 'wb')": "a log, for people",
    "src/cifar_mlp/reproduction/store.py: open(self.folder / '.lock', 'w')": "empty",
    "src/cifar_mlp/benchmarks/peak_memory.py: CLEAR.write_text('5')": "a switch of the system",
}


def written_in_place(source: str) -> Iterator[str]:
    """Calls that write a file, other than one that is called unfinished."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        texts += [
            word.value.value for word in node.keywords if word.arg == "mode" and isinstance(word.value, ast.Constant)
        ]
        opened = name == "open" and any(isinstance(text, str) and MODES & {*text} and len(text) < 4 for text in texts)
        call = ast.unparse(node)
        opened = opened or call.startswith("shutil.copy")
        if (
            opened or name in WRITERS or (name == "save" and isinstance(function, ast.Attribute))
        ) and "unfinished" not in call:
            yield call


def test_no_source_writes_a_file_in_its_place():
    found = {
        f"{path.relative_to(ROOT)}: {call}"
        for folder in ("src", "scripts")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for call in written_in_place(path.read_text())
    }
    unknown = {call for call in found if not call.startswith(tuple(IN_PLACE))}
    assert not unknown, "write it by common.atomic_write.replacing, or say in IN_PLACE why not"
    gone = [start for start in IN_PLACE if not any(call.startswith(start) for call in found)]
    assert not gone, "these are written no more"


@pytest.mark.parametrize(
    "source",
    [
        "open('a.json', 'w')", "Path('a').open('wb')", "path.write_text('x')", "torch.save(x, path)",
        "open(a, mode='x')", "figure.savefig('a.png')", "shutil.copyfile(a, b)", "os.fdopen; open('a', 'r+')",
    ],
)  # fmt: skip
def test_a_file_that_is_written_in_its_place_is_found(source: str):
    assert list(written_in_place(source))
    assert not list(written_in_place("open('a.json'); open(a, 'rb'); unfinished.write_text('x')"))
