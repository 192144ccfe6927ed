"""What `mldeploy predict` may be told."""

from __future__ import annotations

import argparse
from pathlib import Path


def predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "mldeploy predict [options] (VERSION DATA | --bundle DIR DATA) --out OUT"
    parser.add_argument(
        "what", nargs="+", metavar="VERSION DATA",
        help="NAME, NAME:NUMBER or NAME@ALIAS (not with --bundle), and Parquet, CSV or Arrow: a "
        "file, a folder, a pattern, s3://... or URL#TABLE",
    )  # fmt: skip
    parser.add_argument("--out", required=True, help="file, object or URL#TABLE to write")
    parser.add_argument("--bundle", type=Path, help="folder of a bundle; no store is needed")
    parser.add_argument("--key", help="column that says what each row is about")
    parser.add_argument("--keep", nargs="+", default=[], metavar="COL", help="columns to hand on")
    parser.add_argument(
        "--quarantine", type=Path, metavar="FILE",
        help="where refused rows go; without it the first one ends the command",
    )  # fmt: skip
    parser.add_argument(
        "--no-log", dest="log", action="store_false", help="do not log the predictions"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    parser.add_argument(
        "--order-by", nargs="+", default=[], metavar="COL",
        help="columns that order the rows of a table (its primary key)",
    )  # fmt: skip
    parser.add_argument("--trust", nargs="+", default=[], metavar="TYPE", help="types to trust")
