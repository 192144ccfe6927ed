"""How ready a project is for production: the ML Test Score, with the evidence for each point."""

from __future__ import annotations

from datetime import datetime
from typing import final

from mldeploy._record import Record
from mldeploy.evidence import (
    Markup,
    escape,
    html_fragment,
    html_page,
    html_table,
    markdown_escape,
    markdown_table,
    text_table,
)
from mldeploy.governance._declarations import Declaration, Declarations
from mldeploy.governance._score_facts import Facts, Point
from mldeploy.governance._score_rules import RULES
from mldeploy.governance._score_tests import TESTS, ScoreTest
from mldeploy.model import Bundle
from mldeploy.registry import ModelVersion, Registry
from mldeploy.store import Store

_HEADERS = ("Test", "What must hold", "Points", "By", "In words", "Evidence")
_MEANINGS = (
    (0.0, "a section has nothing: more of a research project"),
    (1.0, "not wholly untested; serious holes are likely"),
    (2.0, "a first pass at production; more is worth it"),
    (3.0, "reasonably tested; more could be automated"),
    (5.0, "strongly tested and monitored"),
    (7.0, "exceptionally tested and monitored"),
)


@final
class ScoreItem(Record):
    """What one test of the rubric earned.

    Attributes
    ----------
    test, section, title : str
        Which test, where it counts, and what must hold.
    points : float
        1 for what runs by itself, a half for what was done by hand or in part, else 0.
    by : str
        ``"store"`` if the store shows it, ``"declared"`` if somebody says so, else ``""``.
    summary : str
        What was found, or what to do.
    evidence : str
        Where it can be read: a report and finding, a bundle, an event; with its full digest.
    """

    test: str
    section: str
    title: str
    points: float
    by: str
    summary: str
    evidence: str


@final
class Scorecard(Record):
    """The ML Test Score of a version: the least of its four sections.

    Attributes
    ----------
    version : str
        Name and number.
    at : datetime
        When it was scored.
    items : tuple of ScoreItem
        The 28 tests, in the order of the rubric.

    Notes
    -----
    The rubric [1]_ gives a point to a test that runs by itself again and again, and half a one
    to a test done by hand. A section counts the sum of its seven tests, and the score is the
    least of the four: a chain is as strong as its weakest link. What fails earns nothing, and
    what was not shown earns nothing.

    References
    ----------
    .. [1] E. Breck, S. Cai, E. Nielsen, M. Salib and D. Sculley, "The ML test score: a rubric
       for ML production readiness and technical debt reduction", IEEE Big Data 2017.
    """

    version: str
    at: datetime
    items: tuple[ScoreItem, ...]

    @property
    def sections(self) -> dict[str, float]:
        """Points of each section, 0 to 7."""
        found: dict[str, float] = {}
        for item in self.items:
            found[item.section] = found.get(item.section, 0.0) + item.points
        return found

    @property
    def score(self) -> float:
        """The least of the sections' points."""
        return min(self.sections.values(), default=0.0)

    @property
    def meaning(self) -> str:
        """What the score says, in words."""
        return next(words for most, words in _MEANINGS if self.score <= most)

    @property
    def missing(self) -> tuple[ScoreItem, ...]:
        """The tests that earned less than a point, those of the weakest section first."""
        sections = self.sections
        short = [item for item in self.items if item.points < 1]
        return tuple(sorted(short, key=lambda item: sections[item.section]))

    def to_text(self) -> str:
        """Return the score and a table for the terminal."""
        return f"{self._headline()}\n{text_table(_HEADERS, [_row(item) for item in self.items])}"

    def to_markdown(self) -> str:
        """Return the score and a Markdown table."""
        table = markdown_table(_HEADERS, [_row(item) for item in self.items])
        return f"**{markdown_escape(self._headline())}**\n\n{table}\n"

    def to_html(self) -> str:
        """Return a self-contained page that runs no script; every text is escaped."""
        return html_page(f"Scorecard of {self.version}", self._body())

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(self._body())

    def _headline(self) -> str:
        parts = ", ".join(f"{name} {points:g}" for name, points in self.sections.items())
        return f"{self.version}: {self.score:g} of 7 ({parts}): {self.meaning}"

    def _body(self) -> str:
        bars = "".join(_bar(name, points) for name, points in self.sections.items())
        rows = [(*_row(item)[:2], Markup(_tag(item)), *_row(item)[3:]) for item in self.items]
        return (
            f"<h1>Scorecard of {escape(self.version)}</h1><p><b>{self.score:g} of 7</b>: "
            f'{escape(self.meaning)} <span class="quiet">{self.at:%Y-%m-%d %H:%M %Z}</span></p>'
            f"<table>{bars}</table>{html_table(_HEADERS, rows)}"
        )


def scorecard(
    store: Store,
    registry: Registry,
    version: ModelVersion,
    bundle: Bundle,
    declarations: Declarations,
    *,
    at: datetime,
) -> Scorecard:
    """Score a version by what the store holds, and by what somebody declared.

    Parameters
    ----------
    store, registry : Store, Registry
        What is asked.
    version, bundle : ModelVersion, Bundle
        Of which.
    declarations : Declarations
        What is done elsewhere; the store's own answer goes first.
    at : datetime
        Now.

    Raises
    ------
    IntegrityError
        If a report or a bundle was edited.
    """
    facts = Facts.of(store, registry, version, bundle, at=at)
    declared = declarations.valid()
    items = tuple(_item(test, facts, declared.get(test.id)) for test in TESTS)
    return Scorecard(version=version.label, at=at, items=items)


def _item(test: ScoreTest, facts: Facts, declared: Declaration | None) -> ScoreItem:
    rule = RULES.get(test.id)
    found = None if rule is None else rule(facts)
    by = "" if found is None else "store"
    if declared is not None and (found is None or found.is_open):
        points = 1.0 if declared.is_repeated else 0.5
        summary = f"{declared.reason} ({declared.by}, until {declared.until:%Y-%m-%d})"
        found, by = Point(points=points, summary=summary, evidence=declared.evidence), "declared"
    found = found or Point(points=0.0, summary=test.action, evidence="")
    return ScoreItem(
        test=test.id,
        section=test.section,
        title=test.title,
        points=found.points,
        by=by,
        summary=found.summary,
        evidence=found.evidence,
    )


def _row(item: ScoreItem) -> tuple[str, ...]:
    return (item.test, item.title, f"{item.points:g}", item.by, item.summary, item.evidence)


def _tag(item: ScoreItem) -> str:
    verdict = {1.0: "PASS", 0.5: "INSUFFICIENT"}.get(item.points, "FAIL")
    return f'<span class="tag {verdict}">{item.points:g}</span>'


def _bar(name: str, points: float) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th><td><svg width="210" height="14" role="img">'
        f"<title>{escape(name)}: {points:g} of 7</title>"
        '<rect width="210" height="14" fill="#8c959f" fill-opacity=".25"/>'
        f'<rect width="{30 * points:g}" height="14" fill="#0969da"/></svg></td>'
        f"<td>{points:g} of 7</td></tr>"
    )
