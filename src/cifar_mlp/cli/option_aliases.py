"""What people type instead of an option's name, or without one."""

import difflib
import re
from collections.abc import Sequence

import torch
from lightning.pytorch import callbacks

from cifar_mlp.cli.checkpoint_option import names_checkpoint
from cifar_mlp.models.schedules import Schedule

# By the last part of what was typed, with underscores.
_MEANT = {
    "trainer.max_epochs": "epochs epoch max_epoch num_epochs num_epoch n_epochs nepochs nb_epochs total_epochs",
    "trainer.max_steps": "steps num_steps n_steps iterations iters num_iters max_iter max_iters",
    "seed_everything": "seed random_seed random_state manual_seed",
    "model.optimizer.lr": "lr learning_rate learningrate rate eta alpha base_lr init_lr initial_lr",
    "model.optimizer.weight_decay": "wd decay",
    "model.optimizer": "optim opt",
    "model.lr_scheduler": "scheduler lr_schedule schedule sched lrs warmup warmup_steps warmup_epochs cosine",
    "model.lr_scheduler.gamma": "gamma lr_decay decay_rate lr_gamma",
    "model.hidden_sizes": "hidden hidden_size hidden_dim hidden_dims hidden_units hidden_layers layers num_layers "
    "n_layers depth units width sizes layer_sizes hidden_layer_sizes neurons",
    "model.regularization": "reg l2 lambda lambd",
    "model.dropout": "drop dropout_rate dropout_p p_drop",
    "model.activation": "act nonlinearity activation_function",
    "model.normalization": "norm batch_norm batchnorm bn layer_norm layernorm normalisation",
    "model.initialization": "init weight_init initialisation",
    "data.batch_size": "batch batchsize bs train_batch_size minibatch mini_batch_size per_device_batch_size",
    "data.sampling": "shuffle sampler replacement",
    "data.n_components": "components num_components pca pca_components pca_dim",
    "data.source": "dataset data_set source_name",
    "data.root": "data data_dir data_path data_root datadir dataroot dir path",
    "data.num_folds": "folds kfold k_folds n_folds",
    "data.val_size": "val_split validation_size validation_split valid_size",
    "data.image_size": "img_size imgsz resize image_shape size",
    "data.predict_path": "images image input inputs photos",
    "data.output": "out output_file csv",
    "trainer.devices": "gpus num_gpus n_gpus ngpu gpu_ids num_devices nproc",
    "trainer.accelerator": "gpu device cuda cpu mps use_gpu no_cuda",
    "trainer.precision": "fp16 bf16 half amp dtype_train mixed_precision",
    "trainer.gradient_clip_val": "clip grad_clip clip_grad clip_norm max_grad_norm gradient_clip clip_grad_norm",
    "trainer.accumulate_grad_batches": "accumulate accumulation accum gradient_accumulation",
    "trainer.fast_dev_run": "debug dry_run dryrun dev_run smoke",
    "trainer.enable_progress_bar": "verbose quiet progress no_progress progress_bar",
    "data.augment": "augmentation augmentations aug flip mixup cutmix cutout crop transforms",
    "trainer.logger": "log loggers wandb tensorboard mlflow no_logger",
    "trainer.callbacks": "callback patience early_stopping early_stop earlystopping",
    "trainer.default_root_dir": "log_dir logdir save_dir output_dir out_dir outdir results_dir",
    "ckpt_path": "checkpoint ckpt resume resume_from weights load checkpoint_path model_path pretrained",
    "config": "cfg conf config_file yaml",
}
# Arguments of PyTorch's classes
_OF_OPTIMIZERS = "momentum weight_decay betas eps nesterov dampening amsgrad rho"
_OF_SCHEDULES = "gamma step_size milestones T_max T_0 T_mult eta_min max_lr total_steps pct_start factor total_iters"
# What other programs have and this one does not: a batch is one index operation, so there are no workers
_NOTHING = "num_workers workers pin_memory n_workers"
_SHORT = {"cosine": "CosineAnnealingLR", "plateau": "ReduceLROnPlateau", "momentum": "SGD"}
COMMANDS = ("fit", "validate", "test", "predict")
_OPTION_OF = {name.lower(): f"model.lr_scheduler.{name}" for name in _OF_SCHEDULES.split()}
_OPTION_OF |= {name: f"model.optimizer.{name}" for name in _OF_OPTIMIZERS.split()}
_OPTION_OF |= {typed: option for option, words in _MEANT.items() for typed in words.split()}
_LIKE = 0.76  # from 0 to 1, of letters in common; below it the option found is seldom the one that was meant
_SIZES = re.compile(r"\s*\d+(\s*,\s*\d+)*\s*,?\s*")


def suggestion(message: str, options: Sequence[str]) -> str:
    """`` (did you mean ...?)`` for an unknown option's message, else nothing.

    Args:
        message: The line to be shown.
        options: Every option that exists, with dots.
    """
    if (unknown := re.search(r"^(.*?): there is no class (\w+)$", message)) is not None:
        names = {name.lower(): name for name in _classes_of(unknown[1])}
        named = _like(unknown[2].lower().replace("_", ""), {**names, **_SHORT})
        return f" (did you mean {named}?)" if named else ""
    unknown = re.search(r"(?:nrecognized arguments: -*|Option '|Key ')([\w.-]+)", message)
    if unknown is None or not re.search(r"nrecognized|not accepted|not expected", message):
        return ""
    typed = unknown.group(1).replace("-", "_")
    last = typed.rsplit(".", 1)[-1]
    if last.lower() in _NOTHING.split():
        return ""
    by_last_name = {option.rsplit(".", 1)[-1]: option for option in reversed(options)}
    beside = {option.rsplit(".", 1)[-1]: option for option in options if option.startswith(f"{typed.split('.')[0]}.")}
    close = (
        _OPTION_OF.get(last.lower())
        or by_last_name.get(last)
        or _like(last, beside)
        or _like(last, by_last_name)
        or _like(last.lower(), _OPTION_OF)
    )
    asked_for = message.partition(": ")[0] + "." + last  # of a class that does not have it
    return f" (did you mean --{close}?)" if close and f"--{close}" not in (f"--{unknown[1]}", asked_for) else ""


def _classes_of(option: str) -> list[str]:
    """Short names of the classes that an option takes."""
    if option == "--model.optimizer":
        return [name for name, kind in vars(torch.optim).items() if isinstance(kind, type)]
    if option == "--model.lr_scheduler":
        return [kind.__name__ for kind in Schedule.__subclasses__()]
    return list(callbacks.__all__) if option == "--trainer.callbacks" else []


def _like(typed: str, options: dict[str, str]) -> str | None:
    return next((options[name] for name in difflib.get_close_matches(typed, options, 1, _LIKE)), None)


def with_options(arguments: Sequence[str]) -> list[str]:
    """The arguments with an option before each file named alone: ``test best.ckpt``, ``predict best.ckpt photos/``.

    Sizes of hidden layers may come without brackets: ``--model.hidden_sizes 600,300``.

    Raises:
        ValueError: For a word alone that is neither a checkpoint, a run's folder, a config, nor images for ``predict``.
    """
    command, rest = list(arguments[:1]), list(arguments[1:])
    if command and command[0].startswith("-"):
        command, rest = [], list(arguments)
    alone = []
    while command and rest and not rest[0].startswith("-"):
        alone.append(rest.pop(0))
    checkpoints = [word for word in alone if word.endswith(".ckpt") or names_checkpoint(word)]
    configs = [word for word in alone if word.endswith((".yaml", ".yml"))]
    images = [word for word in alone if word not in checkpoints + configs]
    if images and command != ["predict"] and command[0] in COMMANDS:
        raise ValueError(f"{command[0]} {images[0]}: what is this? A checkpoint follows --ckpt_path, a config --config")
    found = [f"--config={word}" for word in configs] + [f"--ckpt_path={word}" for word in checkpoints]
    if images and command == ["predict"]:
        found.append("--data.predict_path=" + (images[0] if len(images) == 1 else str(images)))
    unknown = images if command != ["predict"] else []
    return [*command, *found, *unknown, *_bracketed(rest)]


def _bracketed(arguments: Sequence[str]) -> list[str]:
    done: list[str] = []
    for argument in arguments:
        option, is_one, value = argument.partition("=")
        if option.endswith(".hidden_sizes") and is_one and _SIZES.fullmatch(value):
            argument = f"{option}=[{value}]"
        elif done and done[-1].endswith(".hidden_sizes") and _SIZES.fullmatch(argument):
            argument = f"[{argument}]"
        done.append(argument)
    return done
