"""What the page shows is what the network computes."""

import pytest
import torch

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.demo.answers import MemberNetwork, curve, parts_of, probabilities, reconstruction, units
from cifar_mlp.demo.similar import Neighbours
from cifar_mlp.models import Classifier
from cifar_mlp.models.mlp import MLP
from cifar_mlp.pictures.tiles import about_grey
from cifar_mlp.pictures.weight_images import pixel_gradients

IMAGES = torch.randint(0, 256, (40, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
IMAGE = IMAGES[7]


def part(hidden: tuple[int, ...], components: int | None = 9, **options: object) -> MemberNetwork:
    network = MLP(components or 9, 4, hidden, **options).eval().requires_grad_(False)  # type: ignore[arg-type]
    return MemberNetwork(network, Preprocessing((1, 3, 3), n_components=components, **whitened(components)).fit(IMAGES))


def whitened(components: int | None) -> dict[str, bool]:
    return {"whiten": components is not None}


def test_what_is_taken_away_is_at_its_mean():
    one, other = part((5,)), part((6, 3))
    features = one.preprocessing(IMAGE[None])
    features[:, 4:] = 0
    expected = torch.softmax(one.network(features), 1)[0]
    torch.testing.assert_close(probabilities([one], IMAGE, 4), expected)
    alone = [torch.softmax(each.network(each.preprocessing(IMAGE[None])), 1)[0] for each in (one, other)]
    torch.testing.assert_close(probabilities([one, other], IMAGE), sum(alone) / 2)
    torch.testing.assert_close(probabilities([one, other], IMAGE, 9), sum(alone) / 2)


def test_the_curve_ends_at_the_answer_and_says_since_when(monkeypatch: pytest.MonkeyPatch):
    one = part((5,))
    found = curve([one], IMAGE, 9)
    by_count = [probabilities([one], IMAGE, count) for count in range(10)]
    answers = [int(one.argmax()) for one in by_count]
    assert found.answer == answers[-1]
    assert found.counts == list(range(10))
    assert found.probabilities == pytest.approx([float(one[found.answer]) for one in by_count])
    assert set(answers[found.settled :]) == {found.answer}
    assert found.settled == 0 or answers[found.settled - 1] != found.answer
    monkeypatch.setattr("cifar_mlp.demo.answers.CURVE", 4)
    assert curve([one], IMAGE, 9).counts == [0, 3, 6, 9]


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_the_units_contributions_and_the_bias_are_the_logit(normalization: str):
    one = part((8,), normalization=normalization)
    found = units(one, IMAGE, 6, label=2)
    features = one.preprocessing(IMAGE[None])
    features[:, 6:] = 0
    logit = float(one.network(features)[0, 2])
    assert sum(unit.contribution for unit in found) + float(one.network.output.bias[2]) == pytest.approx(
        logit, rel=1e-5
    )
    sizes = [abs(unit.contribution) for unit in found]
    assert sizes == sorted(sizes, reverse=True)
    weights = about_grey(pixel_gradients(one.network.first.weight, one.preprocessing))
    torch.testing.assert_close(found[0].weights, weights[found[0].number])


def test_the_units_of_a_linear_network_are_the_classes():
    one = part((), components=None)
    found = units(one, IMAGE, None, label=0)
    logits = one.network(one.preprocessing(IMAGE[None]))[0]
    assert {unit.number: pytest.approx(unit.contribution) for unit in found} == dict(enumerate(logits.tolist()))


def test_the_image_is_rebuilt_from_its_components():
    one = part((5,))
    whole, share = reconstruction(one, IMAGE, 9)
    assert share == pytest.approx(1)
    assert (whole.int() - IMAGE.int()).abs().max() <= 1
    rebuilt, share = reconstruction(one, IMAGE, 3)
    mean = one.preprocessing.inverse(torch.zeros(1, 9))
    left, all_of_it = ((other - IMAGE).float().square().sum() for other in (rebuilt.float(), mean))
    assert share == pytest.approx(1 - float(left / all_of_it), abs=0.01)


def test_the_nearest_images():
    one = part((5,))
    neighbours = Neighbours(one, IMAGES)
    assert neighbours.by_features(IMAGE, None)[0] == neighbours.by_last_hidden(IMAGE, None)[0] == 7
    features = one.preprocessing(IMAGES)
    expected = (features[:, :2] - features[7, :2]).square().sum(1).argsort()[:6]
    assert neighbours.by_features(IMAGE, 2) == expected.tolist() != neighbours.by_features(IMAGE, None)
    hidden = one.network.hidden[0](features)
    expected = (hidden - hidden[7]).square().sum(1).argsort()[:6]
    assert neighbours.by_last_hidden(IMAGE, None) == expected.tolist()
    assert Neighbours(part((), None), IMAGES).by_last_hidden(IMAGE, None) == []


def test_a_network_that_knows_no_images_is_refused():
    with pytest.raises(ValueError, match="trained on features"):
        parts_of(Classifier(in_features=4))
