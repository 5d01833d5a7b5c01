"""``cifar-mlp export``: files that other programs run."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from cifar_mlp import Classifier
from cifar_mlp.cli import export_command
from cifar_mlp.export import file_formats, run_again
from cifar_mlp.export.file_formats import FORMATS, read_safetensors

IMAGES = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def expected(checkpoint: Path) -> torch.Tensor:
    return torch.softmax(Classifier.load_from_checkpoint(checkpoint).eval()(IMAGES), 1)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        export_command.main(arguments)
    assert stopped.value.code != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not [path for path in Path().iterdir() if path.is_file()], "something is left"
    return said


@pytest.mark.skipif(not find_spec("onnxruntime"), reason="needs the extra export")
def test_onnx_runs_elsewhere_and_says_what_it_is(trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]):
    import onnxruntime

    checkpoint = trained("whitened")
    (checkpoint.parent.parent / "results.json").write_text(
        json.dumps({which: {"epoch": epoch, "val/accuracy": 0.5} for which, epoch in (("best", 1), ("last", 2))})
    )
    export_command.main([str(checkpoint.parent.parent), "--fold"])
    assert "Run again on 270 test images: the same classes" in capsys.readouterr().out
    session = onnxruntime.InferenceSession("best.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": IMAGES.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected(checkpoint), rtol=1e-4, atol=1e-5)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["class_names"]) == list("0123456789")
    assert json.loads(facts["accuracy"]) == {"val/accuracy": 0.5}
    assert json.loads(facts["data"])["source"] == "digits"


def test_pt2_is_loaded_by_torch_alone(trained: Callable[[str], Path]):
    export_command.main([str(trained("whitened")), "--format", "pt2"])
    facts = {file_formats.FACTS: ""}
    program = torch.export.load("best.pt2", extra_files=facts).module()
    torch.testing.assert_close(program(IMAGES), expected(trained("whitened")), rtol=1e-4, atol=1e-5)
    assert json.loads(facts[file_formats.FACTS])["image_shape"] == [1, 8, 8]


@pytest.mark.skipif(not find_spec("safetensors"), reason="needs the extra export")
def test_safetensors_rebuild_the_network(trained: Callable[[str], Path]):
    export_command.main([str(trained("pixels")), "--format", "safetensors", "--output", "a.safetensors"])
    module = read_safetensors(Path("a.safetensors"))
    torch.testing.assert_close(module(IMAGES), expected(trained("pixels")), rtol=1e-4, atol=1e-5)


def test_a_file_that_computes_something_else_is_not_kept(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    broken = FORMATS["pt2"]._replace(
        write=lambda module, images, facts, path: path.touch(),
        reader=lambda path: lambda images: torch.full((len(images), 10), 0.1),
    )
    monkeypatch.setitem(FORMATS, "pt2", broken)
    said = refused(capsys, str(trained("pixels")), "--format", "pt2")
    assert "other probabilities than the network" in said
    not_numbers = run_again.Agreement(1, float("nan"), 0, 1.0)
    with pytest.raises(ValueError, match="other probabilities"):
        not_numbers.require()


def test_mistakes_are_one_line(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert "no such file" in refused(capsys, "gone.ckpt")
    assert "folder does not exist" in refused(capsys, str(trained("pixels")), "--format", "pt2", "--output", "no/a.pt2")
    monkeypatch.setattr(file_formats.importlib.util, "find_spec", lambda name: None)
    assert "pip install onnx onnxscript onnxruntime" in refused(capsys, str(trained("pixels")))


def test_without_the_images_bytes_are_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    class Gone:
        image_shape = (1, 8, 8)

        def load(self, *_: object) -> None:
            raise FileNotFoundError("they lie nowhere")

    data = type("Data", (), {"source": Gone(), "root": None, "seed": 0})
    monkeypatch.setattr(export_command, "data_of", lambda content, **changed: data)
    images, which = export_command.images_to_compare({}, None)
    assert images.shape == (1_000, 1, 8, 8)
    assert which == "images of drawn bytes"
    assert "bytes are drawn instead" in capsys.readouterr().out
