"""Heartbeats: whether the worker of a running trial is still alive."""

import datetime
import os
import socket
import time
import uuid
from typing import Any

from optuna.trial import FrozenTrial, Trial

HEARTBEAT = 20.0  # seconds between two
SILENCE = 300.0  # seconds without one, then a worker counts as dead, also on another machine
WORKER, SEEN = "worker", "seen"


def machine_name() -> str:
    """This machine; the network address keeps two of the same name apart."""
    return f"{socket.gethostname()}/{uuid.getnode():x}"


def sign_up(trial: Trial) -> None:
    """Record this worker as the trial's, with a first heartbeat."""
    trial.set_user_attr(SEEN, time.time())
    trial.set_user_attr(WORKER, [machine_name(), os.getpid()])


def beat(trial: Trial) -> None:
    """Record a heartbeat."""
    trial.set_user_attr(SEEN, time.time())


def is_dead(trial: FrozenTrial) -> bool:
    """Whether a running trial's worker is gone: its process on this machine, or no heartbeat for too long."""
    worker: Any = trial.user_attrs.get(WORKER)
    if worker is not None and worker[0] == machine_name() and not _is_alive(worker[1]):
        return True
    began = trial.datetime_start or datetime.datetime.now()
    return time.time() - trial.user_attrs.get(SEEN, began.timestamp()) > SILENCE


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, but alive
        return True
    return True
