"""Whether a figure of the report is reproduced.

The report states one accuracy of one training, measured on n = 1,000 images, with an unknown seed. We have
the accuracies of m trainings. On the same images a further training of ours would fall, with 95 % probability, within

    mean ± a,    a = t(m - 1) * s * sqrt(1 + 1/m),

s their standard deviation, t Student's 97.5 % quantile: the prediction interval of one more run, since their
figure is one run and no mean. On other images of the same kind, n of them, it would fall within

    mean ± sqrt(a² + b²),    b = 1.96 * sqrt(p (1 - p) / n).

Their figure is

- **reproduced** if it is within mean ± a, and a is no larger than b: seeds that scatter more than 1,000 images do
  can confirm nothing;
- **within the noise of 1,000 images** if it is within mean ± sqrt(a² + b²);
- **not reproduced** otherwise;
- **not judged** with fewer than three seeds.

Half a unit of the last digit that the report states is allowed for, and where it says "above", only falling short
counts. Both are the last epoch's accuracies, without checkpoint selection. Our accuracy on all 10,000 test images is
held against theirs on the first 1,000 of them with b from 1/1,000 - 1/10,000.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from cifar_mlp.common.course_report import REPORT, Figure
from cifar_mlp.common.results import Row, accuracies, of_config
from cifar_mlp.common.spread import Sample

REPRODUCED, WITHIN, NOT, UNJUDGED = (
    "reproduced", "within the noise of 1,000 images", "not reproduced", "not judged",
)  # fmt: skip
STATED_IMAGES, ALL_IMAGES = 1_000, 10_000
FEWEST_SEEDS = 3


class Judged(NamedTuple):
    """One figure of the report beside ours.

    Attributes:
        config: Of the network.
        what: Which accuracy.
        stated: The report's, in percent.
        ours: Ours, one a seed, in percent.
        verdict: In words.
    """

    config: str
    what: str
    stated: float
    ours: Sample
    verdict: str


def image_noise(percent: float, images: int = STATED_IMAGES, out_of: int | None = None) -> float:
    """Half the 95 % interval of an accuracy that ``images`` images give, in points.

    Args:
        percent: The accuracy.
        images: How many.
        out_of: If given, the number of images that ours was measured on, which hold theirs.
    """
    share = min(max(percent / 100, 0.0), 1.0)
    effective = 1 / images - (0 if out_of is None else 1 / out_of)
    return 196 * math.sqrt(share * (1 - share) * effective)


def verdict(
    stated: float, ours: Sample, rounding: float = 0.05, at_least: bool = False, out_of: int | None = None
) -> str:
    """The verdict in words; the rule is the module's.

    Args:
        stated: The report's figure, in percent.
        ours: Ours on the same images, or on all of them.
        rounding: Half a unit of the last digit stated, in points.
        at_least: Whether the report says "above".
        out_of: Images that ours was measured on, where they are more than the report's.
    """
    if len(ours.values) < FEWEST_SEEDS:
        return UNJUDGED
    short = stated - ours.mean
    distance = max(0.0, (short if at_least else abs(short)) - rounding)
    noise = image_noise(ours.mean, out_of=out_of)
    if distance <= ours.one_more <= noise:
        return REPRODUCED
    return WITHIN if distance <= math.hypot(ours.one_more, noise) else NOT


VALIDATION, TEST, WHOLE_TEST = "validation", "test, first 1,000", "test, all 10,000"
METRICS = {VALIDATION: "val/accuracy", TEST: "test/accuracy_first_1000", WHOLE_TEST: "test/accuracy"}


def ours(rows: Sequence[Row], what: str) -> Sample | None:
    """Our accuracies at the last epoch over these runs; ``None`` where they lack it."""
    found = [row for row in rows if METRICS[what] in row["last"]]
    return Sample([100 * value for value in accuracies(found, "last", METRICS[what])]) if found else None


def judge(config: str, figure: Figure, rows: Sequence[Row]) -> list[Judged]:
    """The figures that the report states of one network: validation, and where it has one, test twice."""
    judged = []
    mine = ours(rows, VALIDATION)
    if mine is not None:
        words = verdict(figure.val, mine, figure.val_rounding, figure.at_least)
        judged.append(Judged(config, VALIDATION, figure.val, mine, words))
    for what, out_of in ((TEST, None), (WHOLE_TEST, ALL_IMAGES)):
        mine = ours(rows, what)
        if figure.test is not None and mine is not None:
            judged.append(Judged(config, what, figure.test, mine, verdict(figure.test, mine, out_of=out_of)))
    return judged


def judge_all(rows: Sequence[Row]) -> list[Judged]:
    """Every figure of questions 3b and 4 that there are runs for, of configs as they stand."""
    return [judged for config, figure in REPORT.items() for judged in judge(config, figure, of_config(rows, config))]
