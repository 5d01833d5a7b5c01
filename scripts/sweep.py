#!/usr/bin/env python
"""``cifar-mlp sweep`` as a script."""

import sys

from cifar_mlp.sweep.sweep_command import main

if __name__ == "__main__":
    main(sys.argv[1:])
