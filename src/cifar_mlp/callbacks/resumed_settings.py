"""On resume, callbacks keep what they have seen and take the settings that they are given now."""

import inspect
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint


class AskedSettings(Callback):
    """Lets a setting given now win over the one in a callback's saved state, such as EarlyStopping's patience."""

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Change the saved states, before the callbacks take them."""
        for callback in trainer.callbacks:
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if isinstance(state, dict) and not isinstance(callback, ModelCheckpoint):  # whose paths are of this run
                settings = state.keys() & inspect.signature(type(callback)).parameters.keys()
                state.update({name: getattr(callback, name) for name in settings if hasattr(callback, name)})
