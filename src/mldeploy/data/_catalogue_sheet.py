"""The data sheet: what the record says of one version of a data set, for people and machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from mldeploy._record import Record
from mldeploy.data._catalogue_croissant import croissant
from mldeploy.data._catalogue_lineage import Lineage
from mldeploy.data._catalogue_records import DatasetEntry, DatasetVersion
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data._profile import Profile
from mldeploy.data._schema import Schema
from mldeploy.evidence import (
    escape,
    html_fragment,
    html_page,
    html_table,
    markdown_escape,
    markdown_table,
)

_MOST_SHOWN: Final = 8
"""Distinct texts of a column that a sheet names; more are free text, which may name people."""
_FEWEST_ROWS: Final = 10
"""Rows that share a text before a sheet names it."""


@final
class SheetSection(Record):
    """One part of a sheet: a heading, a sentence, and a table."""

    title: str
    text: str = ""
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@final
class DataSheet(Record):
    """What the record says of a version; made from the record alone, never by hand.

    Values of sensitive columns are not shown, nor are texts of columns that have many different
    ones or that few rows share.

    Attributes
    ----------
    entry : DatasetEntry
        What is said of the data set.
    version : DatasetVersion
        Which version.
    table_schema : Schema
        Types of its columns.
    sections : tuple of SheetSection
        What it is, who answers, what the columns hold, what it was made from.
    """

    entry: DatasetEntry
    version: DatasetVersion
    table_schema: Schema
    sections: tuple[SheetSection, ...]

    @property
    def title(self) -> str:
        """Name and number of the version."""
        return self.version.label

    def to_markdown(self) -> str:
        """Return the sheet as Markdown; names and values cannot break out of it."""
        parts = [f"# {markdown_escape(self.title)}"]
        for section in self.sections:
            parts.append(f"## {markdown_escape(section.title)}")
            if section.text:
                parts.append(markdown_escape(section.text))
            if section.rows:
                headers = [markdown_escape(header) for header in section.headers]
                parts.append(markdown_table(headers, section.rows))
        return "\n\n".join(parts) + "\n"

    def to_html(self) -> str:
        """Return the sheet as a self-contained page that runs no script."""
        return html_page(self.title, self._body())

    def to_croissant(
        self, *, url: str = "", files: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the sheet as Croissant, the vocabulary by which data sets are found and loaded.

        Parameters
        ----------
        url : str, default=""
            Page of the data set.
        files : mapping of str to str, optional
            Addresses under which the version's files can be had, by their places in the
            location; by default the places themselves.

        Returns
        -------
        dict
            JSON-LD of Croissant 1.0; write it with ``json.dumps``.

        Raises
        ------
        InvalidDataError
            If `files` names a file that the version does not have.
        """
        return croissant(self.entry, self.version, self.table_schema, url=url, files=files or {})

    def _body(self) -> str:
        parts = [f"<h1>{escape(self.title)}</h1>"]
        for section in self.sections:
            parts.append(f"<h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>")
            if section.rows:
                parts.append(html_table(section.headers, section.rows))
        return "".join(parts)

    def _repr_html_(self) -> str:
        return html_fragment(self._body())


def data_sheet(
    entry: DatasetEntry,
    version: DatasetVersion,
    *,
    schema: Schema,
    profile: Profile,
    lineage: Lineage,
) -> DataSheet:
    """Put together what is known of a version."""
    return DataSheet(
        entry=entry,
        version=version,
        table_schema=schema,
        sections=(
            _what_it_is(entry),
            _which_version(version),
            _what_columns_hold(version, schema, profile),
            _where_it_comes_from(lineage),
        ),
    )


def _what_it_is(entry: DatasetEntry) -> SheetSection:
    access = entry.access
    facts = {
        "Owner": entry.owner,
        "Licence": entry.licence or "not stated",
        "Tags": ", ".join(entry.tags) or "none",
        "Open to": ", ".join(access.readers) or "nobody",
        "Condition": access.condition or "none",
        "Described": f"{entry.described_at:%Y-%m-%d} by {entry.described_by}",
    }
    return _facts("What it is", entry.description, facts)


def _which_version(version: DatasetVersion) -> SheetSection:
    roles = version.roles
    facts = {
        "Rows": f"{version.n_rows:,}",
        "Columns": f"{len(version.columns):,}",
        "Added": f"{version.added_at:%Y-%m-%d %H:%M %Z} by {version.added_by}",
        "Fingerprint": version.fingerprint,
        "Location": version.location or "not known to the catalogue",
        "Target": (roles and roles.target) or "none declared",
        "Sensitive columns": ", ".join(roles.sensitive if roles else ()) or "none declared",
    }
    if version.withdrawn_at is not None:
        facts["Withdrawn"] = f"{version.withdrawn_at:%Y-%m-%d}: do not use it any more"
    return _facts("Which version", "", facts)


def _what_columns_hold(version: DatasetVersion, schema: Schema, profile: Profile) -> SheetSection:
    hidden = set(version.roles.sensitive if version.roles else ())
    rows = []
    for column in schema.columns:
        counted = profile[column.name]
        about = "" if counted.is_exact else "about "
        values = "not shown: sensitive" if column.name in hidden else _values(counted)
        distinct = f"{about}{counted.n_distinct:,}"
        rows.append((column.name, column.kind, f"{counted.missing_share:.1%}", distinct, values))
    headers = ("Column", "Kind", "Missing", "Distinct", "Values")
    return SheetSection(title="What the columns hold", headers=headers, rows=tuple(rows))


def _values(column: ColumnProfile) -> str:
    if not column.n_known:
        return "no value"
    if column.kind == "boolean":
        shares = {column.readable(float(v)): n / column.n_known for v, n in column.top(2).items()}
        return ", ".join(f"{value} {share:.1%}" for value, share in shares.items())
    if not column.is_text:
        low, middle, high = (column.readable(column.quantile(q)) for q in (0.0, 0.5, 1.0))
        return f"{low} to {high}, median {middle}"
    if column.n_distinct > _MOST_SHOWN:
        return "texts"
    top = {text: n for text, n in column.top(_MOST_SHOWN).items() if n >= _FEWEST_ROWS}
    rare = column.n_known - sum(top.values())
    shown = [f"{text} {n / column.n_known:.1%}" for text, n in top.items()]
    return ", ".join([*shown, *([f"others {rare / column.n_known:.1%}"] if rare else [])])


def _where_it_comes_from(lineage: Lineage) -> SheetSection:
    rows = [("made from", step.made_from, step.made, step.made_by) for step in lineage.before]
    rows += [("used for", step.made_from, step.made, step.made_by) for step in lineage.after]
    return SheetSection(
        title="Where it comes from, and where it went",
        text="" if rows else "Nothing is known of other data that it was made from or used for.",
        headers=("", "From", "To", "By") if rows else (),
        rows=tuple(rows),
    )


def _facts(title: str, text: str, facts: dict[str, str]) -> SheetSection:
    return SheetSection(title=title, text=text, headers=("", ""), rows=tuple(facts.items()))
