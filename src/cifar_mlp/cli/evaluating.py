"""The part of the command line that validates, tests and predicts."""

from cifar_mlp.cli.resumable import ResumableCLI
from cifar_mlp.data.cifar import CIFARFiles, Part
from cifar_mlp.data.own_images.folder_images import FolderImages


class EvaluatingCLI(ResumableCLI):
    """Says first where the images come from, and validates on none that the network was trained on."""

    def found_in(self, part: Part) -> list[str]:
        """Which usual place has the images, where nothing is named."""
        source = self.datamodule.source
        found = source.found_in(self.datamodule.root, part) if isinstance(source, CIFARFiles | FolderImages) else ""
        return [found] if found else []

    def before_validate(self) -> None:
        """Say where the images come from; refuse those that the network was trained on.

        Raises:
            ValueError: If there is no validation split, or was none in training.
        """
        assert self.checkpoint is not None
        trained = self.checkpoint.get("datamodule_hyper_parameters", {}).get("val_size")
        if 0 in (trained, self.datamodule.num_val):
            why = "was trained on all images" if trained == 0 else "gets none by --data.val_size 0"
            raise ValueError(
                f"validate needs images held out from training, but {self.checkpoint_path} {why}: use test"
            )
        self._say_where("train")

    def _say_where(self, part: Part) -> None:
        for found in self.found_in(part) if self.trainer.is_global_zero else ():
            print(found, flush=True)

    def before_test(self) -> None:
        """Say where the images come from."""
        self._say_where("test")

    def before_predict(self) -> None:
        """Say where the images come from, unless they are files of the user's."""
        if self.datamodule.predict_path is None:
            self._say_where("test")
