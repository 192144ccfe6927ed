"""The command `mldeploy`, thin over `Project`."""

from mldeploy.cli._main import main

__all__ = ["main"]
