"""A schema proposed from data, with the confidence of everything that it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import polars as pl

from mldeploy.data._claims import Claim, claims_of
from mldeploy.data._claims_among import dependencies_of, keys_of
from mldeploy.data._infer import infer_column
from mldeploy.data._roles import valid_record
from mldeploy.data._schema import Schema, SupportsRoles
from mldeploy.data._table_rules import Dependency
from mldeploy.errors import EmptyDataError, InvalidDataError


@final
@dataclass(frozen=True, kw_only=True)
class SchemaProposal:
    r"""What data say of themselves, each claim with the chance that the next rows will keep it.

    `Schema.infer` describes the data seen and holds nothing against later data. A proposal goes
    further: what it is confident of becomes strict.

    Attributes
    ----------
    described : Schema
        What `Schema.infer` says of the data.
    claims : tuple of Claim
        Further claims, by column, then keys, then what follows from what.
    n_next : int
        Number of further rows that the confidence is about.

    Notes
    -----
    Rows are taken as exchangeable: the next ones come from where these came from. With n rows
    seen and m to come, a rule without exception is kept with a chance of (n + 1)/(n + m + 1) by
    Laplace's rule of succession [1]_. A range is kept unless all of the rows with its least
    value, or all with its largest, are among those to come: if they occurred k and l times,
    :math:`1 - q^k - q^l` with q = m/(n + m), which is exact for values without ties. Categories
    are complete if no new one comes, whose chance is estimated by the share of those seen once
    [2]_. Confidence knows nothing of trends: no range is claimed of times, and of numbers that
    only grow or fall from row to row.

    References
    ----------
    .. [1] P.-S. Laplace, "Essai philosophique sur les probabilités", 1814.
    .. [2] I. J. Good, "The population frequencies of species and the estimation of population
       parameters", Biometrika 40 (1953) 237-264.

    Examples
    --------
    >>> frame = pl.DataFrame({"id": range(2000), "month": [i % 12 + 1 for i in range(2000)]})
    >>> proposal = SchemaProposal.of(frame)
    >>> for claim in proposal.claims:
    ...     print(f"{claim.confidence:.3f} {', '.join(claim.columns)}: {claim.what}")
    0.952 id: never missing
    0.952 month: never missing
    1.000 month: range
    0.952 id: key
    >>> schema = proposal.schema(min_confidence=0.94)
    >>> schema["month"].strict_range, schema["id"].strict_range, schema.keys
    (True, False, (('id',),))
    """

    described: Schema
    claims: tuple[Claim, ...] = field(repr=False)
    n_next: int

    @classmethod
    def of(
        cls,
        data: SupportsRoles | pl.DataFrame | Sequence[pl.DataFrame],
        *,
        n_next: int = 100,
        max_key_columns: int = 2,
    ) -> SchemaProposal:
        """Look at a table, or at several that should have one schema.

        Parameters
        ----------
        data : Dataset, polars.DataFrame, or several frames
            A `Dataset` is read in its features and its target. A column that some of several
            frames lack is optional.
        n_next : int, default=100
            Number of further rows that confidence is about.
        max_key_columns : int, default=2
            Most columns of a key; 0 to look for no key.

        Raises
        ------
        EmptyDataError
            If there is no row, or no column.
        InvalidDataError
            If a column is of different types in several frames.
        """
        if n_next < 1 or max_key_columns < 0:
            raise InvalidDataError(
                f"n_next is {n_next}, max_key_columns {max_key_columns}; ask about at least one "
                "row, and for keys of no or more columns"
            )
        frames = _frames(data)
        whole = _together(frames)
        if not whole.height or not whole.width:
            raise EmptyDataError("there is nothing to infer a schema from; pass at least one row")
        columns = [
            infer_column(column).model_copy(
                update={"optional": True, "nullable": True}
                if any(column.name not in frame.columns for frame in frames)
                else {}
            )
            for column in whole.get_columns()
        ]
        described = Schema(columns=tuple(columns))
        claims = [c for s in whole for c in claims_of(s, described[s.name], n_next)]
        keys = list(keys_of(whole, n_columns=max_key_columns, n_next=n_next))
        known = [key.columns for key in keys]
        claims += [*keys, *dependencies_of(whole, keys=known, n_next=n_next)]
        return cls(described=described, claims=tuple(claims), n_next=n_next)

    def schema(self, *, min_confidence: float = 0.9) -> Schema:
        """Return the schema in which every claim of at least some confidence is strict.

        Parameters
        ----------
        min_confidence : float, default=0.9
            Least confidence, in [0, 1], with which a claim is held against later data. Less
            confident claims are left out; ranges and categories then only describe.

        Returns
        -------
        Schema
            It accepts the data that it was proposed from.
        """
        sure = [c for c in self.claims if c.confidence >= min_confidence]
        strict: dict[str, dict[str, Any]] = {name: {} for name in self.described.names}
        for name in self.described.names:
            strict[name]["nullable"] = True
        for claim in sure:
            if claim.what not in ("key", "follows"):
                strict[claim.columns[0]] |= _settings(claim)
        with valid_record():
            columns = tuple(
                column.model_validate({**dict(column), **_fitting(column, strict[column.name])})
                for column in self.described.columns
            )
        return Schema(
            columns=columns,
            keys=tuple(c.columns for c in sure if c.what == "key"),
            dependencies=tuple(
                Dependency(given=c.columns[:-1], follows=c.columns[-1])
                for c in sure
                if c.what == "follows"
            ),
        )


def _settings(claim: Claim) -> dict[str, Any]:
    match claim.what:
        case "never missing":
            return {"nullable": False}
        case "whole numbers":
            return {"kind": "integer"}
        case "range":
            return {"strict_range": True}
        case "categories":
            return {"closed": True}
        case _:
            return {"pattern": claim.pattern, "strict_pattern": True}


def _fitting(column: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings that go together: an optional column may miss values, whole bounds."""
    if column.optional:
        settings = {**settings, "nullable": True}
    if settings.get("kind") == "integer":
        settings |= {"minimum": int(column.minimum), "maximum": int(column.maximum)}
    return settings


def _frames(data: SupportsRoles | pl.DataFrame | Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    if isinstance(data, pl.DataFrame):
        return [data]
    if isinstance(data, Sequence):
        return list(data)
    target = () if data.roles.target is None else (data.roles.target,)
    return [data.polars().select(*data.roles.features, *target)]


def _together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    try:
        whole = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise InvalidDataError(f"the frames have no common types: {error}") from error
    reals = [name for name, dtype in whole.schema.items() if dtype.is_float()]
    return whole.with_columns(pl.col(reals).fill_nan(None)) if reals else whole
