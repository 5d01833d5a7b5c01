"""A test's cases, of which some run only with ``-m long``."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def rest_long(cases: Iterable[Any], always: Collection[Any]) -> list[Any]:
    """All ``cases`` for one argument; those that are not among ``always`` carry the marker ``long``."""
    cases = list(cases)
    assert all(case in cases for case in always)
    return [case if case in always else pytest.param(case, marks=pytest.mark.long) for case in cases]
