"""Everything that TensorBoard shows of a training, and the options that turn it off."""

from collections.abc import Callable
from dataclasses import dataclass

from lightning.pytorch import Callback

from cifar_mlp.callbacks.architecture import Graph
from cifar_mlp.callbacks.augmentation_sheet import AugmentedImages
from cifar_mlp.callbacks.confidence import ConfidentErrors, Reliability
from cifar_mlp.callbacks.curve_layout import CurveLayout
from cifar_mlp.callbacks.histograms import Activations, Histograms
from cifar_mlp.callbacks.hyperparameters import Hyperparameters
from cifar_mlp.callbacks.per_class import ClassAccuracy, ConfusionMatrix, PrecisionRecall
from cifar_mlp.callbacks.pixel_space import Components, FirstLayerWeights
from cifar_mlp.callbacks.projector import Projector
from cifar_mlp.callbacks.reference_curves import Gap
from cifar_mlp.callbacks.result_in_words import ResultInWords
from cifar_mlp.callbacks.run_record import RunText
from cifar_mlp.callbacks.tracked_images import TenImages
from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.update_ratios import UpdateRatios


@dataclass
class Views:
    """What TensorBoard shows of a training besides its metrics.

    Args:
        all: Whether to show anything of what follows; false turns all of it off.
        scalars_every_n_steps: Optimizer steps between points of learning rate, gradient norm and weight norm; 0 for
            none.
        update_ratios_every_n_steps: Optimizer steps between points of how far a step moves each layer's weights,
            relative to their norm; 0 for none.
        curve_layout: Training and validation on one chart, under custom scalars.
        gap: Training less validation of each metric as a curve, with chance and a linear network to compare with.
        class_accuracy: Accuracy of each class after every validation.
        hyperparameters: The HPARAMS tab.
        text: Config, commit and environment as text.
        result_in_words: What a test found, as text: accuracy with its interval, best and worst classes, confusions.
        ten_images_every_n_epochs: Epochs between pictures of the same ten validation images with the probability of
            each class; also before training, and at the end; 0 for none.
        first_layer_every_n_epochs: Epochs between pictures of the first layer's weights in pixel space, and one at
            the end; 0 for none.
        reliability_every_n_epochs: Epochs between reliability diagrams, accuracy against confidence, and one at the
            end; 0 for none.
        histograms_every_n_epochs: Epochs between histograms of weights and gradients; also at the start, after epochs
            1, 2, 4, 8 and so on, and at the end; 0 for none.
        activations_every_n_epochs: Epochs between histograms of the hidden units' activations with the share of dead
            units; also at the start, after epochs 1, 2, 4, 8 and so on, and at the end; 0 for none.
        precision_recall: Precision-recall curve of each class, at the end.
        projector_images: Validation images shown as points, by features and hidden layers, at the end; 0 for none.
        augmented_images: Training images as augmentation shows them in the first epochs.
        graph: The network's graph.
        components: Eigen-images, reconstructions and explained variance of a PCA, at the end.
        confident_errors: The most confident errors and each class's mean image, at the end.
        confusion_matrix: The confusion matrix, at the end.
    """

    all: bool = True
    scalars_every_n_steps: int = 50
    update_ratios_every_n_steps: int = 50
    curve_layout: bool = True
    gap: bool = True
    class_accuracy: bool = True
    hyperparameters: bool = True
    text: bool = True
    result_in_words: bool = True
    ten_images_every_n_epochs: int = 1
    first_layer_every_n_epochs: int = 5
    reliability_every_n_epochs: int = 5
    histograms_every_n_epochs: int = 5
    activations_every_n_epochs: int = 5
    precision_recall: bool = True
    projector_images: int = 500
    augmented_images: bool = True
    graph: bool = True
    components: bool = True
    confident_errors: bool = True
    confusion_matrix: bool = True

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"--views.{name} must not be negative, got {value}; 0 turns it off")

    def callbacks(self) -> list[Callback]:
        """A callback for each view that is on."""
        views: list[tuple[int, Callable[..., Callback]]] = [
            (self.curve_layout, CurveLayout),
            (self.scalars_every_n_steps, TrainingScalars),
            (self.update_ratios_every_n_steps, UpdateRatios),
            (self.gap, Gap),
            (self.class_accuracy, ClassAccuracy),
            (self.hyperparameters, Hyperparameters),
            (self.text, RunText),
            (self.result_in_words, ResultInWords),
            (self.ten_images_every_n_epochs, TenImages),
            (self.first_layer_every_n_epochs, FirstLayerWeights),
            (self.reliability_every_n_epochs, Reliability),
            (self.histograms_every_n_epochs, Histograms),
            (self.activations_every_n_epochs, Activations),
            (self.precision_recall, PrecisionRecall),
            (self.projector_images, Projector),
            (self.augmented_images, AugmentedImages),
            (self.graph, Graph),
            (self.components, Components),
            (self.confident_errors, ConfidentErrors),
            (self.confusion_matrix, ConfusionMatrix),
        ]
        return [view() if value is True else view(value) for value, view in views if value and self.all]
