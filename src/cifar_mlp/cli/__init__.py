"""The command line: ``cifar-mlp fit|validate|test|predict``."""

from cifar_mlp.cli.command_line import USER_ERRORS, CommandLine, main, run

__all__ = ["USER_ERRORS", "CommandLine", "main", "run"]
