"""Callbacks: checkpoints, the run's record, progress, and views of a training for TensorBoard."""

from cifar_mlp.callbacks.architecture import Graph, NetworkSummary
from cifar_mlp.callbacks.augmentation_sheet import AugmentedImages
from cifar_mlp.callbacks.checkpoints import BestCheckpoint, CheckpointStep, LastCheckpoint
from cifar_mlp.callbacks.confidence import ConfidentErrors, Reliability
from cifar_mlp.callbacks.curve_layout import CurveLayout
from cifar_mlp.callbacks.histograms import Activations, Histograms
from cifar_mlp.callbacks.hyperparameters import Hyperparameters
from cifar_mlp.callbacks.per_class import ClassAccuracy, ConfusionMatrix, PrecisionRecall
from cifar_mlp.callbacks.pixel_space import Components, FirstLayerWeights
from cifar_mlp.callbacks.prediction_writer import PredictionWriter
from cifar_mlp.callbacks.progress import EpochLines, SparingProgressBar
from cifar_mlp.callbacks.projector import Projector
from cifar_mlp.callbacks.pruning import AskToGoOn
from cifar_mlp.callbacks.reference_curves import Gap
from cifar_mlp.callbacks.result_in_words import ResultInWords
from cifar_mlp.callbacks.run_record import RunRecord, RunText
from cifar_mlp.callbacks.step_seed import StepSeed
from cifar_mlp.callbacks.tracked_images import TenImages
from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.update_ratios import UpdateRatios
from cifar_mlp.callbacks.view import View
from cifar_mlp.callbacks.views import Views

__all__ = [
    "Activations", "AskToGoOn", "AugmentedImages", "BestCheckpoint", "CheckpointStep", "ClassAccuracy", "Components",
    "ConfidentErrors", "ConfusionMatrix", "CurveLayout", "EpochLines", "FirstLayerWeights", "Gap", "Graph",
    "Histograms", "Hyperparameters", "LastCheckpoint", "NetworkSummary", "PrecisionRecall", "PredictionWriter",
    "Projector", "Reliability", "ResultInWords", "RunRecord", "RunText", "SparingProgressBar", "StepSeed", "TenImages",
    "TrainingScalars", "UpdateRatios", "View", "Views",
]  # fmt: skip
