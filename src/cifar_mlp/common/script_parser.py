"""The argument parser of the scripts."""

import argparse
from typing import Any, NoReturn


class OneLineParser(argparse.ArgumentParser):
    """For the scripts: a mistake on the command line is answered in one line; --help shows the rest.

    No option may be shortened, and a description keeps its lines.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and stop."""
        self.exit(2, f"{self.prog.split()[0]}: {message}\n")
