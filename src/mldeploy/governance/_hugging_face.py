"""A model card with the metadata that the Hugging Face Hub reads; nothing is sent anywhere."""

from __future__ import annotations

import json
from typing import final

from mldeploy._record import Record
from mldeploy.evidence import Finding, Report
from mldeploy.model import Provenance
from mldeploy.problem import Problem

_TASKS = {
    "binary": "tabular-classification",
    "multiclass": "tabular-classification",
    "regression": "tabular-regression",
}


@final
class CardFacts(Record):
    """What a card says in a form that machines read.

    Attributes
    ----------
    name : str
        Of the model.
    task : str
        The Hub's word for the task.
    data : str
        Fingerprint of the rows that the figures were measured on.
    metrics : tuple of (str, float)
        Figures of the criteria on all rows.
    """

    name: str
    task: str
    data: str
    metrics: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, problem: Problem, made: Provenance, report: Report) -> CardFacts:
        """Read them from the record."""
        names = {c.metric.name for c in problem.criteria}
        return cls(
            name=problem.name,
            task=_TASKS.get(str(problem.task), "other"),
            data=report.about.get("data", made.data),
            metrics=tuple(
                (f.name, f.estimate)
                for f in report.findings
                if f.estimate is not None and _is_overall(f, names)
            ),
        )

    def front_matter(self) -> str:
        """Return the metadata as YAML between two lines of dashes; JSON is YAML."""
        results = [{"type": name, "value": value, "name": name} for name, value in self.metrics]
        dataset = {"type": "tabular", "name": f"rows with fingerprint {self.data}"}
        fields: dict[str, object] = {
            "library_name": "sklearn",
            "tags": ["mldeploy", "sklearn", self.task],
        }
        if self.task != "other":
            fields["pipeline_tag"] = self.task
        if results:
            task = {"type": self.task, "name": self.task.replace("-", " ")}
            found = {"task": task, "dataset": dataset, "metrics": results}
            fields["model-index"] = [{"name": self.name, "results": [found]}]
        lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
        return "\n".join(["---", *lines, "---"])


def _is_overall(finding: Finding, names: set[str]) -> bool:
    return finding.slice is None and finding.column is None and finding.name in names
