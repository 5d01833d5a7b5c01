"""What the page says of a network, in words."""

from cifar_mlp.demo.answers import MemberNetwork
from cifar_mlp.models.averaged_views import VIEWS


def summary(parts: list[MemberNetwork], accuracy: float | None) -> str:
    """Shape and accuracy of a checkpoint."""
    network, preprocessing = parts[0]
    first = f"{network.first.in_features:,} " + ("pixel values" if preprocessing.pca is None else "components")
    hidden = [f"{width:,} units" for width in network.hidden_sizes]
    shape = " → ".join([first, *hidden, f"{network.output.out_features} classes"])
    several = f"{len(parts)} networks, the first: " if len(parts) > 1 else ""
    right = "" if accuracy is None else f"; right on {100 * accuracy:.1f} % of the test images"
    return f"{several}{shape}{right}."


def bars(networks: int, test_time: str, shortened: bool) -> str:
    """How to read the probabilities.

    Args:
        networks: How many answer together.
        test_time: The views that ``test`` averages.
        shortened: Whether components are taken away.
    """
    said = ["The line across each bar: with all components."] if shortened else []
    if networks > 1:
        said.append(f"The mean of {networks} networks.")
    if test_time != "none":
        said.append(f"From one view of the image; cifar-mlp test and predict average {VIEWS[test_time]}.")
    return " ".join(said)


def measure(linear: bool, answer: str, number: int | None) -> str:
    """What stands below the units' weights.

    Args:
        linear: Whether the units are the classes.
        answer: The class.
        number: Of the network, from 0, where there are several.
    """
    pictures = "The pictures are their weights: bright where more light or colour raises the unit."
    if linear:
        return f"The only layer has one unit for each class; below each stands its logit. {pictures}"
    where = "" if number is None else f" of network {number + 1}"
    return (
        f"What each adds to the logit of {answer}{where}: its output times the gradient, the largest first. {pictures}"
    )


def settled(answer: str, count: int) -> str:
    """What the curve over the components shows."""
    when = f"from {count} components on" if count else "without any component, too"
    return f"The curve: probability of {answer} by the components kept, from 0 to 100 %. It is the answer {when}."
