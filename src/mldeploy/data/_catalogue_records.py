"""What the catalogue keeps: data sets by name, and the versions of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, final

import pydantic

from mldeploy._record import Record
from mldeploy.data._roles import Roles

Name = Annotated[str, pydantic.StringConstraints(pattern=r"^\w[\w./-]{0,99}$")]
"""Letters, digits and ``_ . / -``, at most 100 of them; no colon, which parts name and number."""
Said = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]


@final
class AccessRule(Record):
    """Who may open a data set through the catalogue, and on what condition.

    It binds those who ask the catalogue, and is written down with each reading; what lies on the
    disk is guarded by the disk's own permissions.

    Attributes
    ----------
    readers : tuple of str
        Names, or patterns such as ``"*@example.org"``; everybody by default.
    condition : str
        What a reader undertakes, in words.

    Examples
    --------
    >>> AccessRule(readers=("ana", "*@example.org")).allows("bo@example.org")
    True
    """

    readers: tuple[Said, ...] = ("*",)
    condition: str = ""

    def allows(self, person: str) -> bool:
        """Tell whether somebody may read; upper and lower case differ."""
        return any(fnmatchcase(person, pattern) for pattern in self.readers)


@final
class DatasetEntry(Record):
    """What is said of a data set, whichever version.

    Attributes
    ----------
    name : str
        By which it is asked for.
    description : str
        What a row is, where it comes from, what it is for.
    owner : str
        Who answers for it.
    licence : str
        SPDX identifier or address of the licence; empty if nobody has said.
    tags : tuple of str
        Words that it is found by.
    access : AccessRule
        Who may open it.
    described_at : datetime
        When this was said.
    described_by : str
        By whom.
    """

    name: Name
    description: Said
    owner: Said
    licence: str = ""
    tags: tuple[Said, ...] = ()
    access: AccessRule = AccessRule()
    described_at: datetime
    described_by: Said


@final
class DatasetVersion(Record):
    """Data under a name and a number.

    Attributes
    ----------
    name : str
        Name of the data set.
    number : int
        Counts up from 1 without gaps.
    fingerprint : str
        SHA-256 of the values; see `fingerprint_of`.
    n_rows : int
        Number of rows.
    columns : tuple of str
        Names of the columns, in order.
    roles : Roles or None
        What the columns are for, where that was declared.
    location : str
        Path or glob of its files; empty if the catalogue does not know where it lies.
    files : mapping of str to str
        SHA-256 of each file, by its place in the location.
    time, timezone : str or None
        Column with the time of each row, and the zone that times without one were written in.
    made_from : tuple of str
        The versions that it was made from, as ``name:number``.
    made_by : str
        What made it: a program and its revision, in words.
    schema_digest, profile_digest : str
        Artifacts with schema and profile.
    added_at : datetime
        When it was added, in UTC.
    added_by : str
        Who added it.
    withdrawn_at : datetime or None
        Since when it should not be used any more.
    """

    name: Name
    number: int = pydantic.Field(ge=1)
    fingerprint: str
    n_rows: int
    columns: tuple[str, ...]
    roles: Roles | None = None
    location: str = ""
    files: Mapping[str, str] = {}
    time: str | None = None
    timezone: str | None = None
    made_from: tuple[str, ...] = ()
    made_by: str = ""
    schema_digest: str
    profile_digest: str
    added_at: datetime
    added_by: Said
    withdrawn_at: datetime | None = None

    @property
    def label(self) -> str:
        """Name and number, such as ``"flights:3"``."""
        return f"{self.name}:{self.number}"

    @property
    def is_withdrawn(self) -> bool:
        """Whether it should not be used any more."""
        return self.withdrawn_at is not None
