"""Score how ready a version is, as a check in CI."""

from __future__ import annotations

import argparse
import sys

from mldeploy.cli._store import find_version, open_store
from mldeploy.project import Project, stated_problem


def scorecard(options: argparse.Namespace) -> int:
    """Show the ML Test Score; return 1 if it is less than what is asked for."""
    with open_store(options.store) as store:
        if {":", "@"} & set(options.version):
            project, version = find_version(store, options.version)
            card = project.scorecard(version)
        else:
            card = Project(stated_problem(store, options.version), store=store).scorecard()
    shown = {
        "text": card.to_text,
        "markdown": card.to_markdown,
        "html": card.to_html,
        "json": card.to_json,
    }[options.format]()
    if options.out is None:
        print(shown)
    else:
        options.out.write_text(shown, encoding="utf-8")
    if card.score >= options.at_least:
        return 0
    print(f"{card.version} scores {card.score:g}, not {options.at_least:g}", file=sys.stderr)
    return 1
