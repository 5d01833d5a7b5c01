import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from cifar_mlp.data.own_images.image_files import ImageFiles, find_image_files, read_image

RED, SHAPE = (250, 10, 20), (3, 32, 32)


def saved(name: str, image: Image.Image, **options: object) -> Path:
    image.save(name, **options)
    return Path(name)


def colour(pixels: torch.Tensor) -> list[int]:
    assert pixels.dtype == torch.uint8
    return pixels.float().mean((1, 2)).round().int().tolist()


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (7, 90), (640, 480)])
def test_any_size(size: tuple[int, int]):
    pixels = read_image(saved("a.png", Image.new("RGB", size, RED)), SHAPE)
    assert pixels.shape == SHAPE
    assert colour(pixels) == list(RED)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (40, 40), 77), [77] * 3),
        (Image.new("1", (40, 40), 1), [255] * 3),
        (Image.new("RGB", (40, 40), RED).quantize(), list(RED)),
        (Image.new("RGBA", (40, 40), (*RED, 255)), list(RED)),
        (Image.new("RGBA", (40, 40), (*RED, 0)), [255] * 3),
        (Image.new("LA", (40, 40), (77, 0)), [255] * 3),
        (Image.fromarray(np.full((40, 40), 0x8080, np.uint16)), [128] * 3),
    ],
    ids=["grey", "one bit", "palette", "opaque", "transparent", "grey transparent", "16 bit"],
)
def test_any_mode(image: Image.Image, expected: list[int]):
    assert colour(read_image(saved("a.png", image), SHAPE)) == expected


def test_a_transparent_palette_lies_on_white():
    image = Image.new("P", (40, 40), 3)
    assert colour(read_image(saved("a.gif", image, transparency=3), SHAPE)) == [255] * 3


def test_cmyk_and_a_turned_photograph():
    assert read_image(saved("a.jpg", Image.new("CMYK", (40, 40), (0, 200, 200, 0))), SHAPE).shape == SHAPE
    half = Image.new("RGB", (64, 64))
    half.paste((255, 255, 255), (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    pixels = read_image(saved("b.png", half, exif=exif), SHAPE).float()
    assert pixels[:, :, :16].mean() < 5
    assert pixels[:, :, 16:].mean() > 250


def test_shrinking_is_antialiased():
    stripes = np.zeros((320, 320), np.uint8)
    stripes[:, ::2] = 255
    pixels = read_image(saved("a.png", Image.fromarray(stripes)), SHAPE).float()
    assert (pixels - 127.5).abs().max() < 12


def test_grey_networks_get_grey():
    assert read_image(saved("a.png", Image.new("RGB", (40, 40), RED)), (1, 8, 8)).shape == (1, 8, 8)


def test_folders_are_searched_and_lists_taken_as_they_are():
    for folder in ("in/deep", "in/.hidden", "in/__MACOSX"):
        Path(folder).mkdir(parents=True)
    for name in ("in/b.png", "in/a.jpg", "in/deep/c.webp", "in/._a.jpg", "in/.hidden/a.png", "in/__MACOSX/b.png"):
        Image.new("RGB", (4, 4)).save(name)
    Path("in/notes.txt").write_text("")
    Path("in/gone.png").symlink_to("nowhere.png")
    assert list(map(str, find_image_files("in"))) == ["in/a.jpg", "in/b.png", "in/deep/c.webp", "in/gone.png"]
    assert list(map(str, find_image_files(["in/notes.txt", "in/b.png"]))) == ["in/notes.txt", "in/b.png"]


def test_nothing_to_predict_is_refused():
    Path("empty").mkdir()
    with pytest.raises(ValueError, match=r"--data.predict_path: no image files in empty"):
        find_image_files("empty")
    with pytest.raises(FileNotFoundError, match=r"--data.predict_path: nowhere does not exist"):
        find_image_files("nowhere")


def test_unreadable_files_are_noted_and_hold_nobody_up():
    good = saved("good.png", Image.new("RGB", (9, 9), RED))
    noise = saved("noise.png", Image.effect_noise((90, 90), 50)).read_bytes()
    for name, content in (("text.png", b"no image"), ("cut.png", noise[:2_000]), ("empty.png", b"")):
        Path(name).write_bytes(content)
    files = ImageFiles([Path("text.png"), good, Path("cut.png"), Path("empty.png"), Path("gone.png")], SHAPE)
    batch = files.__getitems__(torch.arange(5))
    assert colour(batch.inputs[1]) == list(RED)
    assert sorted(files.errors) == [0, 2, 3, 4]
    assert "FileNotFoundError" in files.errors[4]


@pytest.mark.parametrize("values", [np.float32(1), np.float32(255), np.uint16(65535), np.int32(2**31 - 1)])
@pytest.mark.parametrize("part", [1.0, 0.6])
def test_a_dark_image_of_many_bits_keeps_its_scale(values: np.generic, part: float):
    levels = np.full((40, 40), values * part).astype(values.dtype)
    assert colour(read_image(saved("a.tif", Image.fromarray(levels)), SHAPE)) == [round(255 * part)] * 3


def test_a_pipe_a_program_s_format_and_a_plug_in_s_format_get_a_row_each(monkeypatch: pytest.MonkeyPatch):
    folder = Path("photos")
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    Image.new("RGB", (40, 40)).save(folder / "program.eps")
    (folder / "program.eps").rename(folder / "program.png")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    saved("photos/right.png", Image.new("RGB", (40, 40), RED))
    monkeypatch.setattr("subprocess.check_call", pytest.fail)
    files = ImageFiles(find_image_files("photos"), SHAPE)
    assert colour(files[3].inputs[0]) == list(RED)
    for index in range(3):
        files[index]
    assert [files.files[index].name for index in files.errors] == ["phone.heic", "pipe.png", "program.png"]
    assert "plug-in" in files.errors[0]
    assert "not a regular file" in files.errors[1]
    assert "no image of a format that is read" in files.errors[2]


def test_a_large_photograph_is_decoded_at_a_reduced_size(monkeypatch: pytest.MonkeyPatch):
    path = saved("a.jpg", Image.new("RGB", (10_000, 9_500), RED))
    sizes = []
    transpose = ImageOps.exif_transpose
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image: (sizes.append(image.size), transpose(image))[1])
    assert colour(read_image(path, SHAPE)) == pytest.approx(RED, abs=3)
    assert sizes == [(1250, 1188)]
