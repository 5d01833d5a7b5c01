"""``python -m cifar_mlp`` and ``cifar-mlp``."""

import gc

gc.disable()  # what is imported stays; searching it for garbage again and again takes a seventh of the start-up

from cifar_mlp.cli import main  # noqa: E402

gc.enable()

if __name__ == "__main__":
    main()
