"""What became of a table that was scored."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import final

from mldeploy._record import Record
from mldeploy.evidence import escape, html_fragment, html_table


@final
class BulkSummary(Record):
    """What became of a table.

    Attributes
    ----------
    target : str
        Where the answers are.
    version : str
        What answered; two versions during a rollout, joined by a plus sign.
    rows : int
        Rows of the input.
    answered, refused : int
        Rows answered, and rows that the schema refused.
    resumed_rows : int
        Rows that an earlier call had done already.
    seconds : float
        Time that this call took.
    peak_memory : int or None
        Most memory that the process ever held, in bytes; None where that is not known.
    quarantine : str, optional
        Where the refused rows are, if there are any.
    """

    target: str
    version: str
    rows: int
    answered: int
    refused: int
    resumed_rows: int
    seconds: float
    peak_memory: int | None
    quarantine: str | None

    @property
    def rows_per_second(self) -> float:
        """Rows that this call has done in a second."""
        return (self.rows - self.resumed_rows) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        refused = f", {self.refused:,} refused (see {self.quarantine})" if self.refused else ""
        memory = f", {self.peak_memory / 1e6:,.0f} MB" if self.peak_memory else ""
        resumed = f", {self.resumed_rows:,} of them earlier" if self.resumed_rows else ""
        return (
            f"{self.answered:,} answers by {self.version} written to {self.target}{refused} "
            f"({self.seconds:.1f} s, {self.rows_per_second:,.0f} rows/s{memory}{resumed})"
        )

    def _repr_html_(self) -> str:
        facts = [(escape(name), value) for name, value in self.to_jsonable().items()]
        return html_fragment(html_table(("Scored", ""), facts))


def peak_memory() -> int | None:
    """Return the most memory that this process ever held, in bytes, where that is known.

    Linux is asked for the mark of this program: what `getrusage` tells there begins with the
    memory of the process that started it.
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
