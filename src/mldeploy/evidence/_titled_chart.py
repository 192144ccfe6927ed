"""What charts with a title share: they show themselves in pages and notebooks."""

from __future__ import annotations

import abc

from mldeploy.evidence._html import escape


class TitledChart(abc.ABC):
    """A chart that is drawn by `to_svg` and shown below its title."""

    title: str

    @abc.abstractmethod
    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; every name is escaped."""

    def to_html(self) -> str:
        """Return the chart with its title."""
        return (
            f"<figure><figcaption><b>{escape(self.title)}</b></figcaption>{self.to_svg()}</figure>"
        )

    def _repr_html_(self) -> str:
        return self.to_html()
