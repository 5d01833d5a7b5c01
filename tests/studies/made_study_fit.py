"""``python -m tests.studies.made_study_fit OPTIONS of fit``: one run of a study on the made CIFAR-10."""

import sys

from cifar_mlp.cli.fit_and_test import fit_and_test
from tests.made_cifar import stand_in

if __name__ == "__main__":
    stand_in()
    fit_and_test(sys.argv[1:])
