"""``python -m cifar_mlp`` and ``cifar-mlp``."""

from cifar_mlp.cli import main

if __name__ == "__main__":
    main()
