"""The model card: what the record says of one version, and what it does not."""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

from mldeploy._record import Record
from mldeploy.errors import IntegrityError
from mldeploy.evidence import (
    Report,
    Verdict,
    escape,
    html_fragment,
    html_page,
    markdown_escape,
    verdict_tag,
)
from mldeploy.governance._card_diff import CardDiff
from mldeploy.governance._card_figures import figures_of
from mldeploy.governance._card_section import CardSection
from mldeploy.governance._card_sections import (
    at_a_glance,
    compiled_in_words,
    how_it_was_made,
    intended_use,
    what_does_not_hold,
    what_must_hold,
    what_was_found,
    what_was_not_done,
    where_it_served,
    who_signed,
)
from mldeploy.governance._hugging_face import CardFacts
from mldeploy.model import Bundle, Model
from mldeploy.registry import ModelVersion, Registry

_DRAWN: Final = "What was found"


@final
class ModelCard(Record):
    """What the record says of one version; made from the record alone, never by hand.

    Attributes
    ----------
    title : str
        Name and number of the version.
    verdict : Verdict
        What its validation comes to, waivers counted.
    sections : tuple of CardSection
        What it is for, what was found, what was not done, who signed.
    facts : CardFacts, optional
        What machines read of it.
    report : Report, optional
        The evidence that the pictures are drawn from.
    """

    title: str
    verdict: Verdict
    sections: tuple[CardSection, ...]
    facts: CardFacts | None = None
    report: Report | None = None

    def to_markdown(self) -> str:
        """Return the card as Markdown; names and values cannot break out of it."""
        parts = [f"# {markdown_escape(self.title)}", f"**Validation: {self.verdict}**"]
        parts += [section.to_markdown() for section in self.sections]
        return "\n\n".join(parts) + "\n"

    def to_hugging_face(self) -> str:
        """Return the card as a README of the Hugging Face Hub: metadata, then the Markdown."""
        head = "" if self.facts is None else f"{self.facts.front_matter()}\n\n"
        return head + self.to_markdown()

    def diff(self, older: ModelCard) -> CardDiff:
        """Return what differs from an older card, line by line, and the criteria side by side.

        Parameters
        ----------
        older : ModelCard
            The card that is compared with.

        Returns
        -------
        CardDiff
            Section, line, what it was and what it is; without rows if nothing differs.
        """
        return CardDiff.between(older, self)

    def to_html(self) -> str:
        """Return the card as a self-contained page that runs no script."""
        return html_page(self.title, self._body())

    def _body(self) -> str:
        parts = [f"<h1>{escape(self.title)}</h1><p>Validation: {verdict_tag(self.verdict)}</p>"]
        for section in self.sections:
            drawn = self._drawn() if section.title == _DRAWN else ""
            parts.append(_with_figures(section, drawn) if drawn else section.to_html())
        return "".join(parts)

    def _drawn(self) -> str:
        """Return what can be drawn of the evidence."""
        if self.report is None:
            return ""
        drawn = "".join(figure.to_html() for figure in figures_of(self.report))
        return f'<div class="figures">{drawn}</div>' if drawn else ""

    def _repr_html_(self) -> str:
        return html_fragment(self._body())


def _with_figures(section: CardSection, drawn: str) -> str:
    return (
        f"<h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>{drawn}"
        f"<details><summary>All {len(section.rows)} findings as a table</summary>"
        f"{section.table()}</details>"
    )


def model_card(
    registry: Registry, version: ModelVersion, bundle: Bundle, *, at: datetime
) -> ModelCard:
    """Return the card of a version, from its bundle and the registry's record.

    Parameters
    ----------
    registry : Registry
        Holds reports, approvals, waivers and promotions.
    version : ModelVersion
        Of which.
    bundle : Bundle
        Its bundle; see `Registry.open_bundle`.
    at : datetime
        Waivers that have ended by then do not count.

    Raises
    ------
    IntegrityError
        If the bundle is another version's, or the record was edited.
    """
    evidence = registry.evidence(version, at=at)
    for what, expected, found in (
        ("model", version.model, bundle.model_digest),
        ("problem", version.problem, bundle.problem.digest),
    ):
        if found != expected:
            wrong = f"the bundle at {bundle.directory} (its {what} is not that of {version.label})"
            raise IntegrityError(wrong, expected=expected, found=found)
    return ModelCard(
        title=version.label,
        verdict=evidence.verdict,
        facts=CardFacts.of(bundle.problem, bundle.provenance, evidence),
        report=evidence,
        sections=(
            intended_use(bundle.problem),
            at_a_glance(evidence),
            what_must_hold(bundle.problem),
            how_it_was_made(bundle.provenance, compiled_in_words(bundle.compiled_report)),
            what_was_found(evidence),
            what_does_not_hold(evidence),
            what_was_not_done(evidence),
            who_signed(registry.sign_offs.approvals(version), evidence),
            where_it_served(registry.history(version.name), version),
        ),
    )


def draft_card(model: Model, report: Report) -> ModelCard:
    """Return the card that goes into a bundle, before there is a version that anybody signed.

    Parameters
    ----------
    model : Model
        What the bundle will serve.
    report : Report
        Its validation.

    Raises
    ------
    IntegrityError
        If the report is about another model.
    """
    found = report.about.get("model")
    if found != model.digest:
        raise IntegrityError(
            "a report about another model", expected=model.digest, found=str(found)
        )
    signed = "Who approved it, and where it served, is in the registry, not in the bundle."
    return ModelCard(
        title=model.problem.name,
        verdict=report.verdict,
        facts=CardFacts.of(model.problem, model.provenance, report),
        report=report,
        sections=(
            intended_use(model.problem),
            at_a_glance(report),
            what_must_hold(model.problem),
            how_it_was_made(model.provenance, "See compiled_report.json in the bundle."),
            what_was_found(report),
            what_does_not_hold(report),
            what_was_not_done(report),
            CardSection(title="Who signed", text=signed),
        ),
    )
