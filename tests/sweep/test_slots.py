"""Every slot of a search is filled once, whoever works and whoever dies."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.pruners import NopPruner
from optuna.trial import TrialState

from cifar_mlp.sweep import worker
from cifar_mlp.sweep.heartbeat import SEEN, SILENCE, WORKER, machine_name, sign_up
from cifar_mlp.sweep.slots import RETRY_OF, WITHDRAWN, claim, holders, is_lost, slots, take_up_lost
from cifar_mlp.sweep.storage import open_storage, open_study
from cifar_mlp.sweep.worker import Search, work


def study(name: str = "journal.log") -> optuna.Study:
    return open_study(open_storage(name), "mine", "same", NopPruner())


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def running(mine: optuna.Study, host: str, process: int, seen: float) -> optuna.Trial:
    trial = mine.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr(WORKER, [host, process])
    trial.set_user_attr(SEEN, seen)
    return trial


def test_only_trials_of_dead_workers_are_taken_up_and_once():
    mine = study()
    now = time.time()
    running(mine, machine_name(), os.getpid(), now)
    running(mine, "elsewhere/1", dead_process(), now)
    dead = running(mine, machine_name(), dead_process(), now)
    silent = running(mine, "elsewhere/1", 1, now - SILENCE - 1)
    suspended = running(mine, machine_name(), os.getpid(), now - SILENCE - 1)
    for _ in range(2):
        take_up_lost(mine, 5)
    assert [trial.number for trial in mine.trials if is_lost(trial)] == [2, 3, 4]
    waiting = mine.get_trials(states=(TrialState.WAITING,))
    assert [trial.user_attrs[RETRY_OF] for trial in waiting] == [2, 3, 4]
    assert len(slots(mine.trials)) == 5
    for old in (dead, silent, suspended):
        retry = mine.ask()
        sign_up(retry)
        assert claim(mine, retry, 5) == old.number
        assert retry.suggest_float("x", 0, 1) == old.params["x"]


def test_a_failure_with_a_reason_is_not_tried_again():
    mine = study()
    trial = mine.ask()
    trial.set_user_attr("reason", "bad settings")
    mine.tell(trial, state=TrialState.FAIL)
    take_up_lost(mine, 1)
    assert len(mine.trials) == 1
    assert [trial.number for trial in holders(mine, 1)] == [0]


def test_of_two_in_one_place_the_lower_number_has_it_and_none_is_left_over():
    mine = study()
    lost = running(mine, machine_name(), dead_process(), time.time())
    take_up_lost(mine, 1)
    mine.enqueue_trial(lost.params, user_attrs={RETRY_OF: 0})  # two workers saw it lost at once
    first, second, third = mine.ask(), mine.ask(), mine.ask()
    assert claim(mine, third, 1) is None
    assert claim(mine, second, 1) is None
    assert claim(mine, first, 1) == 0
    assert [trial.number for trial in mine.trials if WITHDRAWN in trial.user_attrs] == [2, 3]


def test_many_workers_fill_every_place_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "WAIT", 0.01)
    done: list[int] = []

    def conduct(search: Search, trial: optuna.Trial, slot: int) -> None:
        done.append(slot)
        time.sleep(0.01)
        search.study.tell(trial, float(slot))

    monkeypatch.setattr(worker, "conduct", conduct)
    found = []

    def one() -> None:
        found.append(work(Search(study(), 12, lambda *_: None, Path("trials"))))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(12))
    assert len(found) == 6
    assert all([trial.values[0] for trial in trials] == list(range(12)) for trials in found)


def test_a_journal_with_a_torn_last_line_continues():
    study().ask()
    with Path("journal.log").open("a") as file:
        file.write('{"op_code":5,"torn')
    mine = study()
    mine.ask()
    assert len(study().trials) == 2


def test_another_search_under_the_same_name_is_refused():
    study()
    with pytest.raises(ValueError, match="was begun with another base config"):
        open_study(open_storage("journal.log"), "mine", "other", NopPruner())


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("sqlite:///a.db", "postgresql://"),
        (".", "is a folder"),
        ("postgresql://nobody@127.0.0.1:9/none", "cannot be reached"),
    ],
)
def test_a_storage_that_cannot_be_is_refused(where: str, said: str):
    with pytest.raises(ValueError, match=said) as refused:
        open_storage(where)
    assert "\n" not in str(refused.value)
