"""What a run shows: its event files and folder read back, and a real TensorBoard queried for each tab."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from matplotlib.text import Text
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from cifar_mlp.callbacks.hyperparameters import FIRST
from cifar_mlp.callbacks.result_in_words import in_words
from cifar_mlp.callbacks.stop_on_nan import NotFiniteError
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import run
from cifar_mlp.models import Classifier, HandwrittenClassifier
from cifar_mlp.pictures.predictions import Predictions, predict
from cifar_mlp.pictures.ten_images import first_of_each_class, ten_images
from tests.callbacks.conftest import NETWORKS
from tests.callbacks.server import Server

HP = [f"{source}within/hp/{part}_accuracy" for source in ("digits/", "") for part in ("val", "test")]
LAYERS = ("hidden.0.affine", "hidden.1.affine", "output")


@pytest.fixture(params=NETWORKS, scope="module")
def folder(logs: Path, request: pytest.FixtureRequest) -> Path:
    return logs / f"version_{list(NETWORKS).index(request.param)}"


@pytest.fixture(scope="module")
def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
    ).Reload()


@pytest.fixture(scope="module")
def last(folder: Path) -> Any:
    """The network at the end of training."""
    name = yaml.safe_load((folder / "config.yaml").read_text())["model"]["class_path"].rsplit(".", 1)[-1]
    kind = {"Classifier": Classifier, "HandwrittenClassifier": HandwrittenClassifier}[name]
    return kind.load_from_checkpoint(folder / "checkpoints" / "last.ckpt").eval()


@pytest.fixture(scope="module")
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    """The digits' validation images, split again."""
    from cifar_mlp.data.datamodule import CIFAR10DataModule

    return CIFAR10DataModule(source="digits").val_images()


def values(events: EventAccumulator, tag: str) -> list[float]:
    return [point.value for point in events.Scalars(f"digits/{tag}")]


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def steps(points: Any) -> list[int]:
    return [point.step for point in points]


def test_both_kinds_of_network_show_the_same_tags(logs: Path):
    first, second = (EventAccumulator(str(logs / f"version_{number}")).Reload().Tags() for number in range(2))
    assert {kind: sorted(tags) if isinstance(tags, list) else tags for kind, tags in first.items()} == {
        kind: sorted(tags) if isinstance(tags, list) else tags for kind, tags in second.items()
    }
    assert first["graph"] is True


def test_learning_rate_and_norms_are_those_of_the_parameters(events: EventAccumulator, last: Any):
    assert steps(events.Scalars("digits/within/learning_rate")) == [0, 12, 25]
    assert values(events, "within/learning_rate") == pytest.approx([0.1, 0.1, 0.05])
    norm = sum(float(parameter.detach().double().square().sum()) for parameter in last.parameters()) ** 0.5
    assert values(events, "within/weight_norm")[-1] == pytest.approx(norm, rel=1e-5)
    assert all(value > 0 for value in values(events, "within/gradient_norm"))
    assert len(values(events, "within/images_per_second")) == 2
    assert all(value > 0 for value in values(events, "within/images_per_second"))


def test_class_accuracy_is_right(events: EventAccumulator, last: Any, held_out: Any):
    images, labels = held_out
    predicted = last(images).argmax(1)
    for label in range(10):
        of_class = labels == label
        expected = float((predicted[of_class] == label).double().mean())
        assert values(events, f"val_class_accuracy/{label}")[-1] == pytest.approx(expected, abs=1e-6)
    assert steps(events.Scalars("digits/val_class_accuracy/3")) == steps(events.Scalars("digits/val/accuracy"))


def test_histograms_hold_the_parameters(events: EventAccumulator, last: Any):
    for layer in LAYERS:
        for part in ("weight", "bias"):
            parameter = last.network.get_parameter(f"{layer}.{part}").detach().double()
            points = events.Histograms(f"digits/within/weights/{layer}.{part}")
            assert steps(points) == [0, 12, 25]  # as initialized, after epochs 1 and 2
            assert points[0].histogram_value != points[1].histogram_value
            point = points[-1]
            shown = point.histogram_value
            assert (point.step, shown.num) == (25, parameter.numel())
            assert shown.sum == pytest.approx(float(parameter.sum()), rel=1e-4, abs=1e-4)
            assert shown.sum_squares == pytest.approx(float(parameter.square().sum()), rel=1e-5)
            assert (shown.min, shown.max) == pytest.approx([float(end) for end in parameter.aminmax()], rel=1e-6)
            assert sum(shown.bucket) == parameter.numel()
            *_, gradient = events.Histograms(f"digits/within/gradients/{layer}.{part}")
            assert gradient.histogram_value.num == parameter.numel()
    squares = [
        events.Histograms(f"digits/within/gradients/{layer}.{part}")[-1].histogram_value.sum_squares
        for layer in LAYERS
        for part in ("weight", "bias")
    ]
    assert sum(squares) ** 0.5 == pytest.approx(values(events, "within/gradient_norm")[-1], rel=1e-4)


def test_activations_and_dead_units_are_those_of_the_validation_images(
    events: EventAccumulator, last: Any, held_out: Any
):
    hidden = last.preprocessing(held_out[0]).detach()
    for index, layer in enumerate(last.network.hidden):
        hidden = layer(hidden).detach()
        points = events.Histograms(f"digits/within/activations/hidden.{index}")
        assert steps(points) == [0, 12, 25]
        point = points[-1]
        assert point.histogram_value.sum == pytest.approx(float(hidden.sum()), rel=1e-3)
        dead = int((hidden == 0).all(0).sum()) / hidden.shape[1]
        assert values(events, f"within/dead_units/hidden.{index}")[-1] == pytest.approx(dead)


def test_loss_and_accuracy_come_first_and_what_is_within_last(events: EventAccumulator):
    """TensorBoard sorts by name."""
    tags = [tag for kind in ("scalars", "images", "histograms") for tag in events.Tags()[kind]]
    assert [tag for tag in tags if not tag.startswith("digits/")] == ["within/epoch"]
    groups = sorted({tag.split("/")[1] for tag in tags if tag.startswith("digits/")})
    assert groups[:3] == ["test", "train", "train_val_gap"]
    assert groups[-3:] == ["val_reference", "views", "within"]


def test_the_gap_is_training_less_validation(events: EventAccumulator):
    for metric in ("loss", "accuracy"):
        train, val, gap = (values(events, f"{part}/{metric}") for part in ("train", "val", "train_val_gap"))
        assert gap == pytest.approx([first - second for first, second in zip(train, val, strict=True)], abs=1e-6)
    assert values(events, "val_reference/chance") == pytest.approx([0.1, 0.1])
    assert "digits/val_reference/linear" not in events.Tags()["scalars"]  # known for CIFAR-10 alone


def test_precision_and_recall_are_right(events: EventAccumulator, last: Any, held_out: Any):
    images, labels = held_out
    probabilities = predict(last, images, labels).probabilities
    for label in range(10):
        (point,) = events.Tensors(f"digits/val_precision_recall/{label}")
        curves = tensor_util.make_ndarray(point.tensor_proto)  # TP, FP, TN, FN, precision, recall
        at = 38
        chosen = probabilities[:, label] >= at / 126
        assert curves[0, at] == int((chosen & (labels == label)).sum())
        assert curves[1, at] == int((chosen & (labels != label)).sum())


def test_each_picture_in_tensorboard_is_also_a_file(events: EventAccumulator, folder: Path):
    tags = events.Tags()["images"]
    names = {tag.removeprefix("digits/").removeprefix("views/").replace("/", "_"): tag for tag in tags}
    assert set(names) == {
        *("first_layer_weights", "reliability", "eigen_images", "explained_variance", "reconstructions"),
        *("most_confident_errors", "class_averages", "ten_images", "val_confusion_matrix", "test_confusion_matrix"),
    }
    assert {path.name for path in (folder / "pictures").iterdir()} == {f"{name}.png" for name in names}
    for name, tag in names.items():
        kept = folder / "pictures" / f"{name}.png"
        assert np.array_equal(decoded(events.Images(tag)[-1].encoded_image_string), decoded(kept.read_bytes())), name
    assert steps(events.Images("digits/views/reliability")) == [12, 25]  # every epoch, as set
    assert steps(events.Images("digits/views/first_layer_weights")) == [25]  # two epochs are fewer than five


def test_the_same_ten_images_are_drawn_before_training_and_after_each_epoch(
    events: EventAccumulator, folder: Path, held_out: Any
):
    points = events.Images("digits/views/ten_images")
    assert steps(points) == [0, 12, 25]
    drawn = [decoded(point.encoded_image_string) for point in points]
    assert len({one.shape for one in drawn}) == 1
    assert not np.array_equal(drawn[0], drawn[1])
    chosen = first_of_each_class(held_out[1])
    assert held_out[1][chosen].tolist() == list(range(10))
    for label, index in enumerate(chosen.tolist()):
        assert label not in held_out[1][:index].tolist()


def test_ten_images_say_when_and_how_sure():
    images, labels = torch.zeros(10, 1, 8, 8), torch.arange(10)
    probabilities = torch.eye(10).mul(0.8).add(0.02)
    probabilities[3] = probabilities[4]

    def texts(names: list[str], found: Predictions) -> list[str]:
        figure = ten_images(found, names, "After epoch 3")
        return [part.get_text() for part in figure.findobj(Text) if part.get_text()]

    said = texts(list("abcdefghij"), Predictions(images, labels, probabilities))
    assert any(text.startswith("After epoch 3: 9 of 10 right.") for text in said)
    assert (said.count("82"), said.count("2")) == (10, 90)
    many = torch.cat([probabilities * 0.5, torch.full((10, 90), 0.5 / 90)], 1)
    said = texts([f"class {label}" for label in range(100)], Predictions(images, labels, many))
    assert (said.count("41"), said.count("50"), said.count("all others")) == (10, 10, 1)
    sure = texts(list("abcdefghij"), Predictions(images, labels, torch.eye(10)))
    assert (sure.count("100"), "0" in sure) == (10, False)


def test_fewer_classes_give_ten_images_too():
    labels = torch.tensor([2, 2, 0, 1, 0, 1, 0, 0, 2, 0, 0, 0, 1, 2])
    chosen = first_of_each_class(labels)
    assert labels[chosen].tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert chosen.tolist() == [2, 4, 6, 7, 3, 5, 12, 0, 1, 8]


def test_the_result_is_said_in_words(events: EventAccumulator, folder: Path):
    (point,) = events.Tensors("digits/result/test/text_summary")
    text = tensor_util.make_ndarray(point.tensor_proto)[0].decode()
    best = json.loads((folder / "results.json").read_text())["best"]
    right = round(270 * best["test/accuracy"])
    assert text.startswith(f"**{right} of 270 test images are right: {100 * right / 270:.1f} %.**")


def test_words_for_a_confusion_matrix():
    counts = torch.tensor([[90.0, 10.0, 0.0], [30.0, 70.0, 0.0], [5.0, 0.0, 15.0]])
    said = in_words(counts, ["cat", "dog", "emu"])
    assert "175 of 220 test images are right: 79.5 %" in said
    assert "between 73.7 and 84.3 %" in said  # Wilson's interval: 0.7904 +- 0.0531
    assert "most frequent class would give 45.5 %" in said
    assert "best: cat (90 %), emu (75 %), dog (70 %)" in said
    assert "worst: dog (70 %), emu (75 %), cat (90 %)" in said
    assert "dog taken for cat (30 of 100), cat taken for dog (10 of 100), emu taken for cat (5 of 20)" in said
    assert in_words(torch.eye(3) * 5, ["a", "b", "c"]).endswith("confusions: none")


def test_the_texts_are_the_run_folder_s_files(events: EventAccumulator, folder: Path):
    def text(name: str) -> str:
        return tensor_util.make_ndarray(events.Tensors(f"run/{name}/text_summary")[0].tensor_proto)[0].decode()

    (record,) = json.loads((folder / "provenance.json").read_text())
    assert [line.strip() for line in text("config").splitlines()] == [
        line.strip() for line in (folder / "config.yaml").read_text().splitlines()
    ]
    assert str(record["commit"] or "not from a git checkout") in text("commit")
    assert f"| torch | {torch.__version__} |" in text("environment")
    assert f"| date | {record['date']} |" in text("provenance")


def hparams(events: EventAccumulator) -> dict[str, Any]:
    content = events._plugin_to_tag_to_content["hparams"]["_hparams_/session_start_info"]
    found = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in found.items()}


def test_hyperparameters_are_right_and_in_the_same_columns(logs: Path):
    first, second = (hparams(EventAccumulator(str(logs / f"version_{number}")).Reload()) for number in range(2))
    assert first.keys() == second.keys()
    assert not [name for name in first if "_" in name.split(".")[0] or "instantiator" in name or "class_path" in name]
    assert (first["model.gradients"], second["model.gradients"]) == tuple(NETWORKS)
    for settings in (first, second):
        assert [settings[name] for name in FIRST] == [
            "12", "digits", "9-7 relu", "SGD, lr 0.1", "ExponentialLR, gamma 0.5",
        ]  # fmt: skip
        assert (settings["optimizer.lr"], settings["optimizer.weight_decay"]) == (0.1, 0)
        assert (settings["data.batch_size"], settings["data.whiten"]) == (100, "False")
    for number, settings in enumerate((first, second)):
        kept = yaml.safe_load((logs / f"version_{number}" / "hparams.yaml").read_text())
        assert kept == settings


def test_the_hparams_tab_has_the_results(events: EventAccumulator, folder: Path):
    results = json.loads((folder / "results.json").read_text())
    (val,) = events.Scalars("digits/within/hp/val_accuracy")
    (test,) = events.Scalars("digits/within/hp/test_accuracy")
    assert val.value == pytest.approx(results["best"]["val/accuracy"], abs=1e-6)
    assert test.value == pytest.approx(results["best"]["test/accuracy"], abs=1e-6)
    best = [12, 25][results["best"]["epoch"] - 1]
    assert steps(events.Scalars("digits/test/accuracy")) == [test.step] == [best]
    assert steps(events.Images("digits/test/confusion_matrix")) == [best]


def test_projector_points_keep_their_distances(folder: Path, last: Any, held_out: Any):
    images, labels = (tensor[:500] for tensor in held_out)
    rows = (folder / "projector" / "classes.tsv").read_text().splitlines()
    predicted = last(images).argmax(1)
    assert rows[0] == "class\tpredicted\tanswer"
    assert rows[1:] == [
        f"{a}\t{b}\t{'right' if a == b else 'wrong'}" for a, b in zip(labels.tolist(), predicted.tolist(), strict=True)
    ]
    points = torch.from_numpy(np.loadtxt(folder / "projector" / "features.tsv"))
    features = last.preprocessing(images).double()
    torch.testing.assert_close(torch.cdist(points, points), torch.cdist(features, features), rtol=1e-3, atol=1e-3)
    sprite = decoded((folder / "projector" / "thumbnails.png").read_bytes())
    side = sprite.shape[0] // 8
    assert side == 17  # 270 images
    assert (sprite[8:16, 24:32, 0] == images[side + 3, 0].numpy()).all()


@pytest.fixture(scope="module")
def server(logs: Path) -> Server:
    return Server(logs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own server
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_real_tensorboard_answers_for_every_tab(server: Server):
    run_name = "version_0"
    assert server.ask("runs") == ["version_0", "version_1"]
    deadline = time.monotonic() + 20
    while not server.ask("plugins_listing")["projector"]["enabled"] and time.monotonic() < deadline:
        time.sleep(0.05)  # it looks for its files in another thread
    active = {name for name, about in server.ask("plugins_listing").items() if about["enabled"]}
    tabs = {"scalars", "custom_scalars", "images", "histograms", "distributions", "text", "hparams", "pr_curves"}
    assert tabs | {"projector", "graphs"} <= active
    for plugin in ("scalars", "images", "histograms", "distributions"):
        assert server.ask(f"plugin/{plugin}/tags")[run_name], plugin
    (chart_group,) = server.ask("plugin/custom_scalars/layout")["category"]
    charts = {chart["title"]: chart["multiline"]["tag"] for chart in chart_group["chart"]}
    assert charts["loss"] == [r"^digits/train/loss$", r"^digits/val/loss$"]
    assert len(charts["accuracy of each class"]) == 10
    found = server.ask("plugin/custom_scalars/scalars?run=version_0&tag=%5Edigits/train/loss%24")
    assert list(found["tag_to_events"]) == ["digits/train/loss"]
    assert sorted(server.ask("plugin/text/tags")[run_name]) == [
        f"{name}/text_summary"
        for name in ("digits/result/test", "run/commit", "run/config", "run/environment", "run/provenance")
    ]
    assert len(server.ask("plugin/pr_curves/tags")[run_name]) == 10
    spaces = server.ask(f"plugin/projector/info?run={run_name}")["embeddings"]
    assert [space["tensorName"] for space in spaces] == ["features", "hidden.0", "hidden.1", "logits"]
    tensor = server.ask(f"plugin/projector/tensor?run={run_name}&name=hidden.0")
    assert np.frombuffer(tensor, np.float32).shape == (270 * 9,)
    assert b"message" not in server.ask(f"plugin/graphs/graph?run={run_name}&conceptual=false")[:20]
    experiment = server.ask("plugin/hparams/experiment", {"experimentName": "", "includeMetrics": True})
    assert [metric["name"]["tag"] for metric in experiment["metricInfos"]] == HP
    assert [column["name"] for column in experiment["hparamInfos"]][: len(FIRST)] == sorted(FIRST)
    question = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{"metric": metric["name"]} for metric in experiment["metricInfos"]],
        "startIndex": 0,
        "sliceSize": 9,
    }
    groups = server.ask("plugin/hparams/session_groups", question)["sessionGroups"]
    assert len(groups) == 2
    assert [len([one for one in group["metricValues"] if "value" in one]) for group in groups] == [2, 2]


OFF = {"all": False, "update_ratios_every_n_steps": 0, "scalars_every_n_steps": 0,
       "class_accuracy": False, "hyperparameters": False, "text": False,
       "result_in_words": False, "ten_images_every_n_epochs": 0,
       "first_layer_every_n_epochs": 0, "reliability_every_n_epochs": 0, "histograms_every_n_epochs": 0, "gap": False,
       "activations_every_n_epochs": 0, "precision_recall": False, "projector_images": 0, "graph": False,
       "augmented_images": False, "curve_layout": False, "components": False,
       "confident_errors": False, "confusion_matrix": False}  # fmt: skip


def shown(**options: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(type(view).__name__, vars(view)) for view in Views(**options).callbacks()]


@pytest.mark.parametrize("option", vars(Views()))
def test_every_option_turns_its_view_off_or_sets_how_often(option: str, views: None):
    usual, changed = shown(), shown(**{option: OFF[option]})
    assert len(changed) == 0 if option == "all" else len(usual) - 1
    if not isinstance(OFF[option], bool):
        often = shown(**{option: 3})
        assert often != usual
        assert [name for name, _ in often] == [name for name, _ in usual]
        with pytest.raises(ValueError, match=rf"--views.{option} must not be negative"):
            Views(**{option: -1})


def fit(*options: str) -> Any:
    small = ["--data.source", "digits", "--data.batch_size", "300", "--model.hidden_sizes", "[6]"]
    return run(["fit", *small, "--trainer.max_epochs", "1", "--model.dropout", "0.3", *options])


def test_a_network_that_diverged_ends_with_its_reason_not_with_a_view_s(views: None):
    with pytest.raises(NotFiniteError, match=r"learning rate 1e\+38"):
        fit("--model.optimizer", "SGD", "--model.optimizer.lr", "1e38")


def test_a_resumed_run_shows_no_step_twice(views: None):
    first = fit()
    again = ["--ckpt_path", str(Path(first.trainer.log_dir) / "checkpoints" / "last.ckpt")]
    second = run(["fit", *again, "--trainer.max_epochs", "2"])
    assert second.trainer.log_dir.endswith(Path(first.trainer.log_dir).name)
    guide = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
    events = EventAccumulator(second.trainer.log_dir, size_guidance=guide).Reload()
    for kind, read in (("scalars", events.Scalars), ("images", events.Images), ("histograms", events.Histograms)):
        for tag in set(events.Tags()[kind]) - {"within/epoch"}:  # Lightning's own, once for each split
            assert len(set(steps(read(tag)))) == len(read(tag)), tag
    assert steps(events.Images("digits/val/confusion_matrix")) == [4, 9]
    assert steps(events.Tensors("run/config/text_summary")) == [0, 5]


@pytest.mark.parametrize(
    ("precision", "whiten"),
    [("bf16-true", "false"), *(pytest.param(one, "true", marks=pytest.mark.long) for one in ("64-true", "bf16-mixed"))],
)
def test_networks_of_any_precision_are_drawn(small_cifar: Path, views: None, precision: str, whiten: str):
    run(["fit", "--data.batch_size", "50", "--model.hidden_sizes", "[9]", "--trainer.max_epochs", "1",
         "--data.n_components", "7", "--data.whiten", whiten, "--trainer.precision", precision])  # fmt: skip
    pictures = {path.stem for path in Path().rglob("pictures/*.png")}
    assert {"first_layer_weights", "reliability", "class_averages", "eigen_images", "val_confusion_matrix"} <= pictures
