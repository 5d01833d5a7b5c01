"""The command line: ``cifar-mlp fit|validate|test|predict``."""

from cifar_mlp.cli.command_line import CommandLine, main, run
from cifar_mlp.cli.parser import USER_ERRORS

__all__ = ["USER_ERRORS", "CommandLine", "main", "run"]
