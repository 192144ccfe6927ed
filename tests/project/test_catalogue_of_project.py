"""A project keeps its data in the catalogue of its store."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.linear_model import LogisticRegression

from mldeploy import Criterion, Problem, Project


def test_the_data_that_a_model_was_trained_on_are_found_by_its_provenance(
    tmp_path: Path,
) -> None:
    problem = Problem(
        name="demo",
        statement="Is x above a half?",
        target="y",
        positive=1,
        criteria=[Criterion("accuracy", at_least=0.9)],
    )
    frame = pd.DataFrame({"x": [i / 100 for i in range(100)]})
    frame["y"] = (frame["x"] > 0.5).astype(int)
    with Project(problem, store=tmp_path / "mlstore", by="ana") as project:
        data = project.data(frame)
        project.catalogue.describe("halves", description="Made up.", owner="ana", by="ana")
        version = project.catalogue.add(data, name="halves", by="ana")

        model = project.train(LogisticRegression(), data)

        assert project.catalogue.find(model.provenance.data) == (version,)
        assert version.roles == data.roles
        assert project.verify() == ()
