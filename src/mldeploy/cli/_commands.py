"""What each command does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from mldeploy.cli._store import find_version, open_store
from mldeploy.cli._tables import read_table
from mldeploy.errors import InvalidDataError, InvalidProblemError
from mldeploy.evidence import Report, Verdict, html_fragment, html_page, text_table
from mldeploy.problem import Problem
from mldeploy.project import Project, stated_names, stated_problem
from mldeploy.registry import CHAMPION, ModelVersion
from mldeploy.store import Damage, Head, Store

EXIT_CODES: Final = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INSUFFICIENT: 3}


def assess(options: argparse.Namespace) -> int:
    """Ask whether data may carry a problem."""
    with open_store(options.store) as store:
        problem = _problem(store, options.problem)
        project = Project(problem, store=store)
        data = project.assess(read_table(options.data))
        if options.format == "html":
            return _put(data.describe(positive=problem.positive).to_html(), data.report, options)
        return _show(data.report, options)


def validate(options: argparse.Namespace) -> int:
    """Judge a version on labelled data."""
    with open_store(options.store) as store:
        project, version = find_version(store, options.version)
        model = project.release(version).model
        return _show(project.validate(model, project.data(read_table(options.data))), options)


def status(options: argparse.Namespace) -> int:
    """Show problems, versions, aliases and deployments."""
    with open_store(options.store) as store:
        names = stated_names(store) if options.name is None else (options.name,)
        if not names:
            print(f"no problem was stated in {store.root} yet")
        for name in names:
            project = Project(stated_problem(store, name), store=store)
            _show_status(project)
    return 0


def _show_status(project: Project) -> None:
    print(project.problem)
    rows = [
        (
            v.label,
            "" if not _is_champion(project, v) else CHAMPION,
            str(v.verdict),
            v.trained_by,
            f"{v.created_at:%Y-%m-%d %H:%M}",
        )
        for v in project.registry.versions(project.problem.name)
    ]
    print(text_table(("Version", "Alias", "Validation", "Trained by", "Registered"), rows))
    served = [
        (d.id, d.champion or "", d.candidate or "", f"{d.share:.0%}", _running(d.is_stopped))
        for d in project.deployments()
    ]
    print(text_table(("Deployment", "Serves", "Candidate", "Its share", ""), served))


def history(options: argparse.Namespace) -> int:
    """Show who did what, when."""
    with open_store(options.store) as store:
        events = store.ledger.events()
        if options.name is not None:
            about = (options.name, f"{options.name}:", f"{options.name}@")
            events = tuple(
                e for e in events if e.subject == about[0] or e.subject.startswith(about[1:])
            )
        rows = [
            (str(e.sequence), f"{e.time:%Y-%m-%d %H:%M:%S}", e.kind, e.subject, e.actor)
            for e in events[-options.limit :]
        ]
        print(text_table(("Event", "When", "What", "About", "Who"), rows))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check that everything is what was written."""
    known = None
    if options.head is not None:
        known = _head(options.head)
    with open_store(options.store) as store:
        damages: tuple[Damage, ...] = store.verify(known_head=known)
        head = store.ledger.head()
    for damage in damages:
        print(damage)
    print(f"{len(damages)} damages; the ledger has {head.sequence} events, head {head.hash}")
    return 1 if damages else 0


def _problem(store: Store, named: str | None) -> Problem:
    if named is not None and named.endswith(".json"):
        try:
            return Problem.model_validate_json(Path(named).read_text(encoding="utf-8"))
        except (ValueError, TypeError) as error:
            raise InvalidProblemError(f"{named} states no problem: {error}") from error
    return stated_problem(store, named)


def _head(path: Path) -> Head:
    try:
        return Head.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidDataError(
            f"{path} holds no head of a ledger; write store.ledger.head().to_json() there: {error}"
        ) from error


def _show(report: Report, options: argparse.Namespace) -> int:
    if options.format == "html":
        shown = html_page(report.step, html_fragment(report.to_html()))
    elif options.format == "json":
        shown = report.to_json()
    elif options.format == "markdown":
        shown = report.to_markdown()
    else:
        shown = report.to_text()
    return _put(shown, report, options)


def _put(shown: str, report: Report, options: argparse.Namespace) -> int:
    if options.out is None:
        print(shown)
    else:
        options.out.write_text(shown, encoding="utf-8")
    return EXIT_CODES[report.verdict]


def _is_champion(project: Project, version: ModelVersion) -> bool:
    champion = project.registry.alias(version.name, CHAMPION)
    return champion is not None and champion.number == version.number


def _running(is_stopped: bool) -> str:  # noqa: FBT001 - a word for a fact
    return "stopped" if is_stopped else "running"
