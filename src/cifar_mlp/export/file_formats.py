"""The three kinds of file, each with how it is written and how it is run again."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cifar_mlp.export.images_to_probabilities import ImagesToProbabilities

Facts = dict[str, Any]
Run = Callable[[Tensor], Tensor]
FACTS = "cifar_mlp"  # key of the facts, as JSON, in every file


class FileFormat(NamedTuple):
    """One kind of file.

    Attributes:
        suffix: Of the file's name.
        packages: What must be installed, beside PyTorch.
        write: Takes the module, an example of its input, the facts, and the path.
        reader: Takes the path and gives what runs the file.
    """

    suffix: str
    packages: tuple[str, ...]
    write: Callable[[ImagesToProbabilities, Tensor, Facts, Path], None]
    reader: Callable[[Path], Run]

    def require_packages(self) -> None:
        """See that they can be imported.

        Raises:
            ValueError: Naming those that are missing and how to install them.
        """
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise ValueError(
                f"--format {self.suffix[1:]} needs {', '.join(missing)}: pip install {' '.join(missing)}, or the "
                "extra export of cifar-mlp"
            )


def write_onnx(module: ImagesToProbabilities, images: Tensor, facts: Facts, path: Path) -> None:
    """ONNX, by PyTorch's own exporter; facts are the model's metadata."""
    program = torch.onnx.export(
        module, (images,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("N")},), verbose=False,
        input_names=["images"], output_names=["probabilities"],
    )  # fmt: skip
    assert program is not None
    program.model.metadata_props.update(
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    )
    program.save(path, external_data=False)


def onnx_reader(path: Path) -> Run:
    """Runs the file by ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def write_pt2(module: ImagesToProbabilities, images: Tensor, facts: Facts, path: Path) -> None:
    """A program of ``torch.export``; facts are its extra file ``cifar_mlp``."""
    program = torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
    torch.export.save(program, path, extra_files={FACTS: json.dumps(facts)})


def pt2_reader(path: Path) -> Run:
    """Runs the file by ``torch.export.load``."""
    run: Run = torch.export.load(path).module()
    return run


def write_safetensors(module: ImagesToProbabilities, images: Tensor, facts: Facts, path: Path) -> None:
    """Tensors by name; facts, the network's shape among them, are metadata ``cifar_mlp``."""
    from safetensors.torch import save_file

    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, path, {FACTS: json.dumps(facts)})


def read_safetensors(path: Path) -> ImagesToProbabilities:
    """The network rebuilt from the file alone."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        module = ImagesToProbabilities(json.loads(file.metadata()[FACTS])["networks"])
        module.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return module


FORMATS = {
    "onnx": FileFormat(".onnx", ("onnx", "onnxscript", "onnxruntime"), write_onnx, onnx_reader),
    "pt2": FileFormat(".pt2", (), write_pt2, pt2_reader),
    "safetensors": FileFormat(".safetensors", ("safetensors",), write_safetensors, read_safetensors),
}
