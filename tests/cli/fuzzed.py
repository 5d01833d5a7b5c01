"""Command lines and configs as people and accidents make them, drawn from a seed: right, nearly right, and wild."""

import inspect
import random
from typing import Any, NamedTuple

import yaml
from lightning.pytorch import Trainer

from cifar_mlp.callbacks.views import Views
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import Classifier

SECTIONS = {"trainer": Trainer, "data": CIFAR10DataModule, "model": Classifier, "views": Views}
OF_CLASSES = {
    "model.optimizer": "lr weight_decay momentum betas fused foreach params class_path init_args",
    "model.lr_scheduler": "gamma step_size milestones T_max total_steps max_lr monitor optimizer lr_lambda",
    "trainer.callbacks": "monitor patience filename dirpath every_n_train_steps mode",
    "trainer.logger": "save_dir name version",
    "model.init_args": "hidden_sizes activation dropout",
}
TOP = [
    "seed_everything",
    "ckpt_path",
    "resume",
    "fast_loop",
    "config",
    "print_config",
    "model",
    "data",
    "trainer",
    "views",
]
OPTIONS = [f"{part}.{name}" for part, kind in SECTIONS.items() for name in inspect.signature(kind).parameters]
OPTIONS += [f"{option}.{name}" for option, names in OF_CLASSES.items() for name in names.split()] + TOP

# What would take the machine, wait for other machines, or start processes of its own
GUARDED = {
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "model.hidden_sizes",
    "model.init_args.hidden_sizes",
}
RIGHT = {
    "trainer.accelerator": "cpu auto", "trainer.devices": "1 auto", "trainer.num_nodes": "1",
    "trainer.strategy": "auto", "trainer.precision": "32-true bf16-mixed 64-true 16-mixed 16 bf16-true 64",
    "trainer.logger": "true false CSVLogger TensorBoardLogger", "trainer.max_epochs": "1 2",
    "trainer.max_steps": "2 3",
    "trainer.callbacks": "EarlyStopping ModelCheckpoint LearningRateMonitor Timer BatchSizeFinder DeviceStatsMonitor",
    "trainer.max_time": "00:00:00:05 00:00:00:00", "trainer.profiler": "simple advanced",
    "trainer.overfit_batches": "2", "trainer.gradient_clip_algorithm": "norm value",
    "trainer.default_root_dir": "there", "trainer.plugins": "null", "model": "Classifier cifar_mlp.models.Classifier",
    "model.hidden_sizes": "[8] 8,4 [] [8,4]", "model.activation": "relu tanh gelu",
    "model.optimizer": "SGD Adam torch.optim.AdamW LBFGS Rprop SparseAdam Muon",
    "model.lr_scheduler": "StepLR OneCycleLR ReduceLROnPlateau CosineAnnealingLR LambdaLR SequentialLR ExponentialLR",
    "data.source": "digits cifar10", "data.root": "nowhere .", "data.n_components": "5 64",
    "data.batch_size": "50 1257", "data.cache_dir": "cache", "data.predict_path": ". a.png", "data.output": "out.csv",
    "data.mirror": "http://127.0.0.1:9/", "ckpt_path": "best.ckpt last best run text.ckpt empty.ckpt",
    "resume": "auto", "config": "good.yaml quickstart", "seed_everything": "0 7 true false",
    "print_config": "skip_default comments skip_null",
}  # fmt: skip
WRONG = [
    *"0 -1 1 1.5 3 1e3 1e400 nan inf -inf 0x10 1_000 1:30 true True yes null None ~ {} [] [1] [[1]] {a:1} -".split(),
    *"Adam StepLR relu digits auto cpu gpu fit val/loss os.getcwd builtins.exec torch.nn.Linear a.b.c . .. x=y".split(),
    *"collections.OrderedDict lightning.pytorch.LightningModule cifar_mlp.models.MLP lightning.pytorch.Trainer".split(),
    *"/dev/null /dev/null/x /nowhere/x best.ckpt good.yaml quickstart %s {0} $HOME * ? & ; | > `".split(),
    "", " ", "1 ", " 1", "zwölf", "٣", "🙂", "\udcff", "a\nb", "\t", "[1", "1]", "{a: 1}", "{class_path: Adam}", "\\",
    "{class_path: torch.optim.SGD, init_args: {lr: 0.1}}", "{class_path: [1]}", "{init_args: {}}", "[a, b", "'", '"',
    "'1'", "!!python/object/apply:os.getcwd []", "&a [*a]", "*a", "--- 1", "9" * 30, "-" + "9" * 30, "1e-400",
    "0" * 20 + "1", "x" * 3000, "[" * 60 + "]" * 60, "2026-01-01", "00:00:00:01", "[1, two]", "[0]", "[-1]", "[1.5]",
    "{1: 2}", "=", "--",
]  # fmt: skip
ALONE = [
    "x", "fit", "best.ckpt", "good.yaml", "good.yml", "run", ".", "", "🙂", "-", "--", "-x", "-h1", "photo.png", "--=",
    "---a",
]  # fmt: skip
ALONE += [
    "\u2013\u2013data.batch_size",
    "\u2014epochs",
    "-data.batch_size=5",
    "--data",
    "--data.",
    "--.data",
    "--trainer.callbacks+",
]
COMMANDS = ["fit"] * 14 + ["validate", "test", "predict", "train", "FIT", "", "fti", "-"]
BASE = [
    "--data.source",
    "digits",
    "--model.hidden_sizes",
    "[8]",
    "--views.all",
    "false",
    "--trainer.accelerator",
    "cpu",
]
SHORT = ["--trainer.max_epochs", "1", "--trainer.max_steps", "2", "--trainer.limit_val_batches", "1"]
CONFIG = {
    "data": {"source": "digits", "batch_size": 100},
    "trainer": {"accelerator": "cpu", "max_epochs": 1},
    "model": {"class_path": "cifar_mlp.models.Classifier", "init_args": {"hidden_sizes": [8], "optimizer": {
        "class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}}},
    "views": {"all": False},
}  # fmt: skip
WHOLE = [
    b"", b"\n\n", b"# nothing\n", b"null\n", b"3\n", b"text\n", b"- a\n- b\n", b"\x00\x01\x02", b"\xff\xfe\x00d\x00",
    b"\x89PNG\r\n\x1a\n", "daten: {größe: 5}\n".encode(), "data: {batch_size: fünf}\n".encode(),
    "data: {output: größe.csv}\n".encode("latin-1"), b"data:\n\tbatch_size: 5\n", b"data: {batch_size: 5\n",
    b"data: &a {batch_size: *a}\n", b"a: &a [*a]\ndata: *a\n", b"data: *gone\n",
    b"data: {batch_size: 50}\ndata: {batch_size: 60}\n", b"data:\n  batch_size: 50\n  batch_size: 60\n",
    b"? [a, b]\n: c\n", b"1: 2\n", b"data: !!python/object/apply:os.getcwd []\n", b"data: !mine {a: 1}\n",
    b"--- \ndata: {}\n---\ntrainer: {}\n", b"%YAML 9.9\n---\ndata: {}\n", b"[" * 300 + b"]" * 300,
    b"{a: " * 60 + b"1" + b"}" * 60, b"data: {batch_size: 5}: {}\n", b"<<: {data: {batch_size: 50}}\n",
    b"data: |\n  batch_size: 5\n", b"fit:\n  data: {batch_size: 50}\n", b"fit: 3\n", b"config: good.yaml\n",
    b"ckpt_path: 3\n", b"ckpt_path: [a]\n", b"ckpt_path: {a: 1}\n", b"resume: [auto]\n",
    b'{"data": {"batch_size": 50}}', b"data.batch_size: 50\n", b"data: {seed: 5}\n", b"seed_everything: {a: 1}\n",
    b"model: Classifier\n", b"model: 3\n", b"model: {}\n", b"model: {class_path: 3}\n",
    b"model: {class_path: os.getcwd}\n", b"model: {init_args: 3}\n",
    b"model: {class_path: Classifier, init_args: {in_features: 5}}\n",
    b"model: {class_path: Classifier, dict_kwargs: {x: 1}}\n", b"trainer: {callbacks: {}}\n",
    b"trainer: {callbacks: [3]}\n", b"trainer: {callbacks: [{}]}\n", b"trainer: {logger: {class_path: CSVLogger}}\n",
    b"trainer: {max_epochs: .inf}\n", b"trainer: {max_epochs: 1e400}\n", b"trainer: {max_time: {days: x}}\n",
    b"trainer: {precision: 1:30}\n", b"data: {output: 2026-01-01}\n", b"data: {root: 5}\n",
    b"data: {predict_path: {a: b}}\n", b"data: {batch_size: on}\n", b"\xef\xbb\xbfdata: {batch_size: 50}\n",
    b"data: {batch_size: 50}\r\ntrainer: {max_epochs: 1}\r\n", b"data: {batch_size: 50}\x0b\n",
    b"data: {~: 3}\n",
]  # fmt: skip


class Case(NamedTuple):
    """Arguments after the program's name, files by name, and whether training really runs."""

    arguments: list[str]
    files: dict[str, bytes]
    trains: bool


def cases(seed: int, count: int) -> list[Case]:
    """So many cases, no two the same; the same ones for the same seed."""
    found: dict[str, Case] = {}
    chance = random.Random(seed)
    while len(found) < count:
        drawn = _case(chance)
        read = [drawn.files[name] for name in drawn.files if any(name in word for word in drawn.arguments)]
        found.setdefault(repr((drawn.arguments, read)), drawn)  # trained or not, and with files that it does not read
    return [*found.values()]


def _case(chance: random.Random) -> Case:
    files = {"text.ckpt": b"weights", "empty.ckpt": b"", "good.yaml": yaml.safe_dump(CONFIG).encode()}
    command, given = chance.choice(COMMANDS), []
    for _ in range(chance.choice([1, 1, 2, 2, 2, 3])):
        given += _option(chance)
    if chance.random() < 0.3:
        files["odd.yaml"] = _config(chance)
        given += ["--config", "odd.yaml"]
    if chance.random() < 0.1:
        given.insert(chance.randrange(len(given) + 1), chance.choice(ALONE))
    if command in ("validate", "test", "predict") and chance.random() < 0.8:
        given = ["--ckpt_path", "best.ckpt", *given]
    base = [*BASE, *SHORT] if command == "fit" else []
    if chance.random() < 0.05:
        chance.shuffle(given)
    arguments = [command, *base, *given] if chance.random() < 0.98 else [*given, command, *base]
    return Case(arguments, files, trains=chance.random() < 0.15)


def _option(chance: random.Random) -> list[str]:
    option = chance.choice(OPTIONS)
    value = _value(chance, option)
    if option not in GUARDED and chance.random() < 0.12:
        option = _misspelt(chance, option)
    form = chance.random()
    if form < 0.2:
        return [f"--{option}={value}"]
    return [f"--{option}"] if form < 0.25 else [f"--{option}", value]


def _value(chance: random.Random, option: str) -> str:
    right = [*RIGHT.get(option, "").split(), *_of_its_type(option)]
    if right and chance.random() < 0.55:
        return chance.choice(right)
    if option in GUARDED:
        return chance.choice(["0", "-1", "x", "", "[", "{}", "null", "[a]", "[0]", "true", "1.5", "nan", "[-1]", "🙂"])
    if option.startswith("trainer.m") and chance.random() < 0.5:
        return chance.choice(["0", "-2", "1.5", "x", "", "[1]"])
    return chance.choice(WRONG)


def _of_its_type(option: str) -> list[str]:
    part, _, name = option.partition(".")
    if part not in SECTIONS or name not in (parameters := inspect.signature(SECTIONS[part]).parameters):
        return []
    kind = str(parameters[name].annotation)
    found = ["true", "false"] if "bool" in kind else []
    return (
        found + (["0.5"] if "float" in kind else []) + (["1", "2"] if "int" in kind and option not in GUARDED else [])
    )


def _misspelt(chance: random.Random, option: str) -> str:
    place = chance.randrange(len(option))
    return chance.choice([
        option[:place] + option[place + 1 :], option[:place] + chance.choice("abz_-.") + option[place:],
        option.replace("_", "-"), option.upper(), option.rsplit(".", 1)[-1],
        f"data.{option}", f"{option}.x", f"{option}+", option + " ",
    ])  # fmt: skip


def _config(chance: random.Random) -> bytes:
    """A whole odd file, or a good one with a value changed, or one whose text is damaged."""
    if chance.random() < 0.4:
        return chance.choice(WHOLE)
    settings: dict[str, Any] = yaml.safe_load(yaml.safe_dump(CONFIG))
    option = chance.choice([name for name in OPTIONS if name not in GUARDED])
    *parts, last = option.split(".")
    inner = settings
    for part in parts:
        following = inner.get(part)
        inner[part] = inner = following if isinstance(following, dict) else {}
    odd = [None, [], {}, [None], {"a": 1}, 1e400, "", -1, True, "ü", [[1]], {1: 2}, "x" * 2000, {"class_path": "Adam"}]
    inner[last] = chance.choice([*odd, chance.choice([*RIGHT.get(option, "x").split()])])
    text = yaml.safe_dump(settings, allow_unicode=True).encode()
    if chance.random() < 0.3:
        place = chance.randrange(len(text))
        text = (
            text[:place]
            + chance.choice([b"\t", b"\x00", b"\xff", b":", b"- ", b"{", b"&a ", b"*a ", b"", b"\n"])
            + text[place + chance.randrange(3) :]
        )
    return text
