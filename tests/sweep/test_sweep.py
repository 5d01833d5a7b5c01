"""scripts/sweep.py from its file to its config: real processes, killed and side by side."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from PIL import Image

from cifar_mlp.cli import run
from cifar_mlp.sweep import process, search
from cifar_mlp.sweep.slots import RETRY_OF, holder, holders, is_lost, slots
from cifar_mlp.sweep.storage import open_storage
from tests.sweep.fake_worker import FAKE_FIT, SCRIPT

Sweep = Callable[..., Path]


@pytest.fixture
def main() -> Callable[[list[str]], None]:
    return runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture
def fake_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that take no time; their accuracy grows with the learning rate."""
    monkeypatch.setattr(process, "FIT", FAKE_FIT)


def start(*arguments: str, seconds: float) -> subprocess.Popen[str]:
    """A worker in a process of its own; an epoch of its trials takes so many seconds."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep.fake_worker", *arguments],
        env={**os.environ, "FAKE_SECONDS": str(seconds)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def study(where: str = "sweeps/mine/journal.log") -> optuna.Study:
    return optuna.load_study(study_name="mine", storage=open_storage(where))


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.time() + 100
    while not (found := what()):
        assert time.time() < deadline
        time.sleep(0.05)
    return found


def is_running(pid: Path) -> bool:
    try:
        return Path(f"/proc/{pid.read_text()}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.long
def test_a_search_with_real_trials_ends_with_a_config_for_fit(main: Callable[[list[str]], None], sweep_file: Sweep):
    search = {"model.optimizer.lr": {"low": 1e-3, "high": 0.1, "log": True}, "model.hidden_sizes": [[4], [8], [16, 8]]}
    path = sweep_file(search=search, settings={"model.activation": "tanh"})
    main([str(path), "--output", "out"])
    trials = holders(study("out/journal.log"), 3)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    for trial in trials:
        (folder,) = Path(trial.user_attrs["folder"]).glob("lightning_logs/*/version_0")
        assert (folder / "checkpoints" / "best.ckpt").is_file()
        assert (folder / "checkpoints" / "last.ckpt").is_file()
        requested = yaml.safe_load((folder / "config.yaml").read_text())["model"]["init_args"]
        first = trial.number == 0
        assert requested["optimizer"]["init_args"]["lr"] == (0.01 if first else trial.params["model.optimizer.lr"])
        assert requested["activation"] == ("relu" if first else "tanh")
        assert len(trial.intermediate_values) == 2
    config = Path("out/mine_best.yaml")
    text = config.read_text()
    assert "torch" in text
    assert run(["fit", "--config", str(config), "--trainer.fast_dev_run", "1"]).trainer.global_step == 1
    best = max(trials, key=lambda trial: trial.values[0])
    if best.number == 0:
        assert "activation" not in text
    else:
        assert yaml.safe_load(text)["model"]["init_args"]["activation"] == "tanh"
    with Image.open("out/history.png") as picture:
        assert picture.width > 600


@pytest.mark.long
def test_a_killed_worker_s_trial_is_taken_up_and_none_is_lost(sweep_file: Sweep):
    path = str(sweep_file(trials=4))
    killed = start(path, seconds=0.7)
    pid = Path("sweeps/mine/trials/0001/pid")
    wait_for(pid.is_file)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    wait_for(lambda: not is_running(pid))  # its trial's process does not train on for nobody
    assert study().trials[1].state == TrialState.RUNNING
    again = start(path, seconds=0)
    _, errors = again.communicate(timeout=100)
    assert again.returncode == 0, errors
    found = study()
    assert [is_lost(trial) for trial in found.trials] == [False, True, False, False, False]
    assert found.trials[2].user_attrs[RETRY_OF] == 1
    assert found.trials[2].params == found.trials[1].params
    assert [trial.state for trial in holders(found, 4)] == [TrialState.COMPLETE] * 4
    assert len(slots(found.trials)) == 4
    assert Path("sweeps/mine/mine_best.yaml").is_file()


def share(path: Path, where: str) -> None:
    """Two workers on five trials: each does some, together exactly five."""
    workers = [start(str(path), "--storage", where, seconds=0.5) for _ in range(2)]
    for one in workers:
        _, errors = one.communicate(timeout=200)
        assert one.returncode == 0, errors
    storage = open_storage(where)
    found = optuna.load_study(study_name="mine", storage=storage).trials
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()
    trials = [trial for slot in slots(found) if (trial := holder(slot))]
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5
    assert len({trial.user_attrs["worker"][1] for trial in trials}) == 2
    assert len({trial.params["model.optimizer.lr"] for trial in trials}) == 5


@pytest.mark.long
def test_two_workers_share_a_journal(sweep_file: Sweep):
    share(sweep_file(trials=5), "shared/journal.log")


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """URL of a server of our own on a socket, gone afterwards."""
    found = [shutil.which("initdb"), *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    initdb = next((path for path in found if path), None)
    if initdb is None:
        pytest.skip("needs a PostgreSQL server: initdb is not installed")
    user: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}  # it refuses root
    folder = Path("/tmp" if len(str(tmp_path)) > 60 else tmp_path) / f"postgresql-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if user:
        shutil.chown(folder, **user)
    quiet = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **user}
    try:
        made = subprocess.run([initdb, "-D", str(folder / "data"), "-U", "tester", "-A", "trust"], **quiet)
        if made.returncode:
            pytest.skip(f"needs a PostgreSQL server: {made.stderr.strip().splitlines()[-1]}")
        server = subprocess.Popen(
            [str(Path(initdb).resolve().with_name("postgres")), "-D", str(folder / "data"), "-k", str(folder),
             "-c", "listen_addresses="], **quiet,
        )  # fmt: skip
        try:
            wait_for((folder / ".s.PGSQL.5432").exists)
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate()
    finally:
        shutil.rmtree(folder)


@pytest.mark.long
def test_two_workers_share_a_postgresql_server(sweep_file: Sweep, postgresql: str):
    share(sweep_file(trials=5), postgresql)


def test_a_hopeless_trial_is_stopped_early(fake_fit: None, main: Callable[[list[str]], None], sweep_file: Sweep):
    grid = {"model.optimizer.lr": [0.3, 0.4, 0.02]}
    for name, pruning in (("with", {"warmup_epochs": 2, "startup_trials": 2}), ("without", None)):
        path = sweep_file(search=grid, sampler="grid", trials=9, pruning=pruning)
        main([str(path), "--output", name])
        trials = holders(study(f"{name}/journal.log"), 9)
        assert len(trials) == 4  # the base config and the grid, whatever the number asked for
        last = trials[-1]
        assert len(last.intermediate_values) == (2 if pruning else 4)
        assert last.state == (TrialState.PRUNED if pruning else TrialState.COMPLETE)
    assert yaml.safe_load(Path("with/mine_best.yaml").read_text())["model"]["init_args"]["optimizer"]["init_args"] == {
        "lr": 0.4
    }


def test_a_failed_trial_says_why_and_the_search_continues(
    fake_fit: None, main: Callable[[list[str]], None], sweep_file: Sweep, capsys: pytest.CaptureFixture[str]
):
    path = sweep_file(search={"model.optimizer.lr": [0.6, 0.7, 0.8, 0.9, 0.3]}, sampler="grid", trials=6)
    main([str(path)])
    states = [trial.state for trial in holders(study(), 6)]
    assert states == [TrialState.COMPLETE, *[TrialState.FAIL] * 4, TrialState.COMPLETE]
    assert "lr is too large" in capsys.readouterr().out


def test_where_the_first_trials_all_fail_it_stops(
    main: Callable[[list[str]], None], sweep_file: Sweep, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr(process, "FIT", [sys.executable, "-c", "import sys; sys.exit('no images there')"])
    with pytest.raises(SystemExit) as stopped:
        main([str(sweep_file(trials=9))])
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("cifar-mlp: error: the first 3 trials all failed")
    assert "no images there" in error
    assert len(study().trials) == 3


def test_the_best_is_chosen_over_new_seeds_and_more_trials_can_be_asked_for(
    fake_fit: None, main: Callable[[list[str]], None], sweep_file: Sweep, capsys: pytest.CaptureFixture[str]
):
    keys: dict[str, Any] = {"search": {"model.optimizer.lr": [0.2, 0.3]}, "confirm": {"top": 1, "seeds": [10, 20]}}
    main([str(sweep_file(sampler="grid", trials=2, **keys))])
    assert len(holders(study(), 9)) == 2
    main([str(sweep_file(sampler="grid", trials=9, **keys))])
    assert len(study().trials) == 3
    out = capsys.readouterr().out
    assert "trial 2: validation 30.0 % in the search, 31.5 ± 0.7 % over seeds 10, 20" in out
    assert "trial 0 (the base config): validation 1.0 % in the search, 2.5 ± 0.7 % over seeds 10, 20" in out
    text = Path("sweeps/mine/mine_best.yaml").read_text()
    assert "trial 2 of 3" in text
    assert "The base config small over the same seeds: 2.5 ± 0.7." in text
    folders = Path("sweeps/mine/confirmation").glob("2-0/*/pid")
    assert len(list(folders)) == 4


def test_a_mistake_is_one_line_and_leaves_nothing(
    main: Callable[[list[str]], None], sweep_file: Sweep, capsys: pytest.CaptureFixture[str]
):
    path = sweep_file(search={"model.optimizer.lrr": [1, 2]})
    for arguments in (["gone.yaml"], [str(path)], [str(sweep_file(trials=0))]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not Path("sweeps").exists()


def test_ctrl_c_says_how_to_continue_and_gives_its_trial_to_others(
    main: Callable[[list[str]], None], sweep_file: Sweep, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "run_fit", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main([str(sweep_file())])
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "cifar-mlp: interrupted; the same command resumes\n"
    assert [is_lost(trial) for trial in study().trials] == [True]
