"""The argument parser of the scripts."""

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """For the scripts: a mistake on the command line is answered in one line; --help shows the rest."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and stop."""
        self.exit(2, f"{self.prog.split()[0]}: {message}\n")
