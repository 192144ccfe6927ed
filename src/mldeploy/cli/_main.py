"""The command line: thin over `Project`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Final

from mldeploy.cli._predict_options import predict_options
from mldeploy.errors import MLDeployError
from mldeploy.serving.http import starting

USAGE_ERROR: Final = 2

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``mldeploy`` on the command line.

    Returns
    -------
    int
        0 if it holds, 1 if it does not, 3 if the evidence is insufficient, 2 on any error.
    """
    is_own_process = arguments is None
    try:
        with starting() if is_own_process else nullcontext():
            options = _parser().parse_args(arguments)
            command = _load(options.command)
        return command(options)
    except (MLDeployError, OSError) as error:
        print(f"mldeploy: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mldeploy",
        description="From a problem statement to a monitored model.",
        epilog="Exit codes: 0 it holds, 1 it does not, 3 insufficient evidence, 2 an error.",
    )
    parser.add_argument(
        "--store", type=Path, default=Path("mlstore"), help="folder of the store (mlstore)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = _command(commands, "_commands:assess", "ask whether data may carry a problem")
    one.add_argument("data", type=Path, help="Parquet or CSV file")
    one.add_argument("--problem", help="name of a stated problem, or a JSON file")
    _report_options(one)

    one = _command(commands, "_commands:validate", "judge a version on labelled data")
    one.add_argument("version", help="NAME, NAME:NUMBER or NAME@ALIAS")
    one.add_argument("data", type=Path, help="Parquet or CSV file with the target")
    _report_options(one)

    one = _command(commands, "_commands:status", "show problems, versions, aliases, deployments")
    one.add_argument("name", nargs="?", help="only this problem")

    one = _command(commands, "_commands:history", "show who did what, when")
    one.add_argument("name", nargs="?", help="only this problem")
    one.add_argument("--limit", type=_count, default=50, help="events to show (50)")

    one = _command(commands, "_commands:verify", "check that everything is what was written")
    one.add_argument("--head", type=Path, help="a head of the ledger that was kept elsewhere")

    one = _command(commands, "_scorecard:scorecard", "score how ready a version is to serve")
    one.add_argument("version", help="NAME (its champion, or newest), NAME:NUMBER or NAME@ALIAS")
    one.add_argument(
        "--at-least", type=float, default=0.0, help="fail with 1 if the score is less (0)"
    )
    _report_options(one)

    one = _command(commands, "_predict:predict", "answer the rows of a table of any size")
    predict_options(one)

    one = _command(commands, "_serve:serve", "serve a bundle or a version over HTTP")
    one.add_argument(
        "target", help="folder of a bundle, NAME:NUMBER, or NAME@ALIAS, which is followed"
    )
    one.add_argument("--workers", type=_count, default=1, help="processes that answer (1)")
    one.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    one.add_argument("--port", type=int, default=8080, help="port to listen on (8080)")
    one.add_argument("--candidate", help="a second version, which answers its share")
    one.add_argument("--share", type=float, default=0.1, help="share of the candidate (0.1)")
    one.add_argument(
        "--shadow", action="store_true", help="only write down what the candidate says"
    )
    one.add_argument("--label", help="what a bundle's version is called in answers and the log")
    one.add_argument("--log", type=Path, help="folder of the log (predictions, in the store)")
    one.add_argument(
        "--durable", action="store_true", help="answer only when the log is on the disk"
    )
    one.add_argument("--keys", type=Path, help="JSON file of keys; see ApiKeys")
    one.add_argument("--open", action="store_true", help="serve beyond this machine without keys")
    one.add_argument("--trust", nargs="+", default=[], metavar="TYPE", help="types to trust")

    one = _command(commands, "_bench:bench", "measure ways of hosting a version, and what fits")
    one.add_argument("target", help="folder of a bundle, NAME, NAME:NUMBER or NAME@ALIAS")
    one.add_argument("--seconds", type=float, default=2.0, help="length of each trial (2)")
    one.add_argument(
        "--connections", type=_count, nargs="+", default=[1, 8, 64], help="over HTTP (1 8 64)"
    )
    one.add_argument(
        "--price", type=_price, action="append", default=[], metavar="NAME=PRICE",
        help="what an hour of a machine costs; may be repeated",
    )  # fmt: skip
    one.add_argument("--trust", nargs="+", default=[], metavar="TYPE", help="types to trust")
    one.add_argument("--out", type=Path, help="HTML or text file to write")
    return parser


def _price(text: str) -> tuple[str, float]:
    name, _, amount = text.rpartition("=")
    if not name or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", amount):
        raise argparse.ArgumentTypeError(f"{text!r} is no price; pass NAME=PRICE, as small=0.05")
    return name, float(amount)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of events; pass 1 or more")
    return int(text)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], home: str, what: str
) -> argparse.ArgumentParser:
    """Add a command whose function, ``module:name``, is imported when it is run.

    A server that needs no scikit-learn must not load it because some other command does.
    """
    parser = commands.add_parser(home.partition(":")[2], help=what, description=what)
    parser.set_defaults(command=home)
    return parser


def _load(home: str) -> Command:
    module, _, name = home.partition(":")
    command: Command = getattr(import_module(f"mldeploy.cli.{module}"), name)
    return command


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json", "markdown", "html"), default="text")
    parser.add_argument("--out", type=Path, help="file to write instead of the screen")
