"""Everything that TensorBoard shows of a training, and the options that turn it off."""

from dataclasses import dataclass

from lightning.pytorch import Callback

from cifar_mlp.callbacks.activations import Activations
from cifar_mlp.callbacks.answer_pictures import Mistakes, Reliability
from cifar_mlp.callbacks.class_accuracy import ClassAccuracy
from cifar_mlp.callbacks.component_pictures import Components
from cifar_mlp.callbacks.confusion_matrix import ConfusionMatrix
from cifar_mlp.callbacks.curve_layout import CurveLayout
from cifar_mlp.callbacks.first_layer import FirstLayerWeights
from cifar_mlp.callbacks.graph import Graph
from cifar_mlp.callbacks.histograms import Histograms
from cifar_mlp.callbacks.hyperparameters import Hyperparameters
from cifar_mlp.callbacks.precision_recall import PrecisionRecall
from cifar_mlp.callbacks.projector import Projector
from cifar_mlp.callbacks.run_text import RunText
from cifar_mlp.callbacks.training_scalars import TrainingScalars


@dataclass
class Views:
    """What TensorBoard shows of a training, beside its metrics.

    Args:
        all: Whether to show anything of the below; false turns all of it off.
        scalars_every_n_steps: Optimizer steps between points of learning rate, gradient norm and weight norm; 0 for
            none of them.
        curve_layout: Training and validation on one chart, under custom scalars.
        class_accuracy: Accuracy of each class after every validation.
        hyperparameters: The HPARAMS tab.
        text: Configuration, commit and environment as text.
        first_layer_every_n_epochs: Epochs between pictures of the first layer's weights in pixel space, and one at
            the end; 0 for none.
        reliability_every_n_epochs: Epochs between reliability diagrams, accuracy against confidence, and
            one at the end; 0 for none.
        histograms_every_n_epochs: Epochs between histograms of weights and gradients, and at the end; 0 for none.
        activations_every_n_epochs: Epochs between histograms of what hidden units answer, with the share of dead
            ones, and at the end; 0 for none.
        precision_recall: Precision against recall of each class, at the end.
        projector_images: Validation images shown as points, by features and hidden layers, at the end; 0 for none.
        graph: The network's graph.
        components: Eigen-images, reconstructions and the explained variance of a PCA, at the end.
        mistakes: The most confident mistakes and each class's average image, at the end.
        confusion_matrix: Which class is taken for which, at the end.
    """

    all: bool = True
    scalars_every_n_steps: int = 50
    curve_layout: bool = True
    class_accuracy: bool = True
    hyperparameters: bool = True
    text: bool = True
    first_layer_every_n_epochs: int = 5
    reliability_every_n_epochs: int = 5
    histograms_every_n_epochs: int = 5
    activations_every_n_epochs: int = 5
    precision_recall: bool = True
    projector_images: int = 500
    graph: bool = True
    components: bool = True
    mistakes: bool = True
    confusion_matrix: bool = True

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"--views.{name} must not be negative, as {value} is; 0 turns it off")

    def callbacks(self) -> list[Callback]:
        """The callbacks that were asked for."""
        if not self.all:
            return []
        views: list[Callback] = []
        if self.curve_layout:
            views.append(CurveLayout())
        if self.scalars_every_n_steps:
            views.append(TrainingScalars(self.scalars_every_n_steps))
        if self.class_accuracy:
            views.append(ClassAccuracy())
        if self.hyperparameters:
            views.append(Hyperparameters())
        if self.text:
            views.append(RunText())
        if self.first_layer_every_n_epochs:
            views.append(FirstLayerWeights(self.first_layer_every_n_epochs))
        if self.reliability_every_n_epochs:
            views.append(Reliability(self.reliability_every_n_epochs))
        if self.histograms_every_n_epochs:
            views.append(Histograms(self.histograms_every_n_epochs))
        if self.activations_every_n_epochs:
            views.append(Activations(self.activations_every_n_epochs))
        if self.precision_recall:
            views.append(PrecisionRecall())
        if self.projector_images:
            views.append(Projector(self.projector_images))
        if self.graph:
            views.append(Graph())
        if self.components:
            views.append(Components())
        if self.mistakes:
            views.append(Mistakes())
        if self.confusion_matrix:
            views.append(ConfusionMatrix())
        return views
