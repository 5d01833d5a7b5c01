"""``cifar-mlp export``: files that other programs run."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from cifar_mlp import Classifier
from cifar_mlp.cli import export_command
from cifar_mlp.data.digits import Digits
from cifar_mlp.export import file_formats, int8, run_again
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
    assert "run again on 270 test images: the same classes" in capsys.readouterr().out
    session = onnxruntime.InferenceSession("best.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": IMAGES.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected(checkpoint), rtol=1e-4, atol=1e-5)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["class_names"]) == list("0123456789")
    images, labels = Digits().load(None, "test", 0)
    right = Classifier.load_from_checkpoint(checkpoint).eval()(images).argmax(1) == labels
    assert json.loads(facts["accuracy"]) == {"val/accuracy": 0.5, "test/accuracy": pytest.approx(right.double().mean())}
    assert json.loads(facts["data"])["source"] == "digits"


def test_pt2_is_loaded_by_torch_alone(trained: Callable[[str], Path]):
    export_command.main([str(trained("whitened")), "--format", "pt2"])
    facts = {file_formats.FACTS: ""}
    program = torch.export.load("best.pt2", extra_files=facts).module()
    torch.testing.assert_close(program(IMAGES), expected(trained("whitened")), rtol=1e-4, atol=1e-5)
    assert json.loads(facts[file_formats.FACTS])["image_shape"] == [1, 8, 8]
    assert not any(tensor.any() for tensor in torch.export.load("best.pt2").example_inputs[0]), "it holds images"
    assert Path("best.pt2").stat().st_size < 60_000


@pytest.mark.skipif(not find_spec("onnxruntime"), reason="needs the extra export")
def test_int8_says_what_it_costs(trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]):
    import onnx

    checkpoint = trained("whitened")
    export_command.main([str(checkpoint), "--int8"])
    said = capsys.readouterr()
    assert said.err == ""
    run = file_formats.onnx_reader(Path("best.onnx"))
    images, labels = Digits().load(None, "test", 0)
    model = Classifier.load_from_checkpoint(checkpoint).eval()
    before, after = model(images).argmax(1), run(images).argmax(1)
    content = onnx.load("best.onnx")
    facts = {entry.key: entry.value for entry in content.metadata_props}
    shares = [float((predicted == labels).double().mean()) for predicted in (after, before)]
    assert json.loads(facts["class_names"]) == list("0123456789")
    assert json.loads(facts["int8"]) == {
        "images": 270, "accuracy": pytest.approx(shares[0]), "float32_accuracy": pytest.approx(shares[1]),
        "same_class": pytest.approx(float((before == after).double().mean())),
    }  # fmt: skip
    assert f"{100 * shares[0]:.2f} % right, in float32 {100 * shares[1]:.2f} %" in said.out
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in content.graph.initializer}
    assert sorted(Path().iterdir()) == [Path("best.onnx")]


@pytest.mark.skipif(not find_spec("onnxruntime"), reason="needs the extra export")
def test_int8_that_costs_too_much_is_not_kept(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    measured = iter([int8.Measured(torch.zeros(270), 0.5, 1.0), int8.Measured(torch.zeros(270), 0.47, 1.0)])
    monkeypatch.setattr(export_command, "measure", lambda *_: next(measured))
    assert "--int8 costs 3.0 points of accuracy on 270 test images" in refused(
        capsys, str(trained("whitened")), "--int8"
    )
    with pytest.raises(ValueError, match="costs nan points"):
        int8.Cost(1, float("nan"), 0.5, 0.0).require()
    assert "--int8 needs --format onnx, not pt2" in refused(capsys, "small", "--int8", "--format", "pt2")


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
    for differences in ((float("nan"), 0.0), (0.0, float("nan")), (0.0, 0.01)):
        with pytest.raises(ValueError, match="other probabilities"):
            run_again.Rerun(1, *differences, 0, 1.0).require()
    expected = torch.tensor([[1 - 1e-6, 1e-6], [1 - 2e-6, 2e-6]])  # as probabilities near those in the other order
    found = run_again.run_again(lambda images: expected.log(), lambda images: expected.flip(0)[: len(images)], expected)
    assert found.logit_difference == pytest.approx(0.693, abs=1e-3)


def test_mistakes_are_one_line(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert refused(capsys, "gone.ckpt") == "cifar-mlp: error: gone.ckpt: no such file\n"
    for output in ("no/a.pt2", "."):
        assert f"--output {output} cannot be written" in refused(capsys, "small", "--format", "pt2", "--output", output)
    assert "--format pt2 ends in .pt2" in refused(capsys, "small", "--format", "pt2", "--output", "a.onnx")
    monkeypatch.setattr(file_formats.importlib.util, "find_spec", lambda name: None)
    assert "pip install onnx onnxscript onnxruntime" in refused(capsys, str(trained("pixels")))


def test_without_the_images_bytes_are_drawn(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def gone(content: dict, **changed: object) -> None:
        raise (FileNotFoundError if changed else ValueError)("they are nowhere")  # of own images it is the second

    monkeypatch.setattr(export_command, "data_of", gone)
    export_command.main([str(trained("pixels")), "--format", "pt2"])
    said = capsys.readouterr().out
    assert "no test images (they are nowhere): bytes are drawn instead" in said
    assert "Run again on 1,000 images of drawn bytes: the same classes".lower() in said.lower()
    Path("best.pt2").unlink()
    assert "they are nowhere" in refused(capsys, str(trained("pixels")), "--format", "pt2", "--data.root", "nowhere")
    if find_spec("onnxruntime"):
        assert "name them by --data.root" in refused(capsys, str(trained("pixels")), "--int8")
