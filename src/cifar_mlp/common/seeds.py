"""One seed, many independent streams."""

import hashlib


def derived_seed(seed: int, stream: str, *position: int) -> int:
    """A seed for one place in a run, a pure function of the run's seed, the stream's name and the position.

    No random state is saved: a run resumed at a position draws what an uninterrupted run would have drawn.

    Args:
        seed: The run's one seed.
        stream: What the numbers are for, e.g. ``"order"``.
        position: Where in the run, e.g. the epoch, or the step and the rank.

    Returns:
        An int in [0, 2**63), the form that ``torch.Generator.manual_seed`` takes.
    """
    digest = hashlib.sha256(repr((seed, stream, position)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
