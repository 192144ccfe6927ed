"""The whole way from data to a version, in steps that are not done twice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import final

from mldeploy.evidence import Report, escape, html_fragment, html_table
from mldeploy.model import Bundle, CodeState, Model
from mldeploy.project._data import AssessedData
from mldeploy.project._steps import Step, StepRecord
from mldeploy.registry import ModelVersion, Registry
from mldeploy.store import JsonValue, Store


@final
@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """What a run from data to a version came to.

    Attributes
    ----------
    id : str
        The run; pass it as ``resume`` to go on after a failed step.
    data : AssessedData
        The data, and what its assessment found.
    model : Model
        What was trained.
    report : Report
        What its validation found.
    version : ModelVersion
        What it is registered as.
    steps : tuple of StepRecord
        What was done, and what was found done.
    """

    id: str
    data: AssessedData
    model: Model
    report: Report
    version: ModelVersion
    steps: tuple[StepRecord, ...]

    def _repr_html_(self) -> str:
        rows = [
            (s.step, "found done" if s.reused_from else s.status, f"{s.seconds:.2f} s")
            for s in self.steps
        ]
        return html_fragment(
            f"<p><b>{escape(self.version.label)}</b></p>"
            + html_table(("Step", "Outcome", "Took"), rows)
            + self.report.to_html()
        )


def surroundings() -> dict[str, JsonValue]:
    """Return what every result depends on beside its inputs: code and library."""
    return {"code": CodeState.of().digest, "mldeploy": installed_version("mldeploy")}


def assess_step(do: Callable[[], Report], *, inputs: Mapping[str, JsonValue]) -> Step[Report]:
    """Return the step that asks whether data is fit."""
    return Step(
        name="assess",
        inputs={**inputs, **surroundings()},
        do=do,
        save=lambda report: {"report": report.to_jsonable()},
        load=lambda output: Report.model_validate(output["report"]),
    )


def train_step(
    do: Callable[[], Model],
    *,
    inputs: Mapping[str, JsonValue],
    store: Store,
    trusted: Sequence[str],
) -> Step[Model]:
    """Return the step that fits; model and baselines are kept as artifacts."""

    def load(output: dict[str, JsonValue]) -> Model:
        baselines = output["baselines"]
        assert isinstance(baselines, dict), "save writes a dict"
        model = _read_model(store, str(output["model"]), trusted)
        return replace(
            model,
            baselines={n: _read_model(store, str(d), trusted) for n, d in baselines.items()},
        )

    return Step(
        name="train",
        inputs={**inputs, **surroundings()},
        do=do,
        save=lambda model: {
            "model": _keep_model(store, model),
            "baselines": {n: _keep_model(store, b) for n, b in model.baselines.items()},
        },
        load=load,
    )


def validate_step(do: Callable[[], Report], *, inputs: Mapping[str, JsonValue]) -> Step[Report]:
    """Return the step that asks whether a model may ship."""
    return replace(assess_step(do, inputs=inputs), name="validate")


def register_step(
    do: Callable[[], ModelVersion], *, inputs: Mapping[str, JsonValue], registry: Registry
) -> Step[ModelVersion]:
    """Return the step that keeps a model with its evidence."""

    def load(output: dict[str, JsonValue]) -> ModelVersion:
        return registry.get(str(output["name"]), int(str(output["number"])))

    return Step(
        name="register",
        inputs=inputs,
        do=do,
        save=lambda version: {"name": version.name, "number": version.number},
        load=load,
    )


def _keep_model(store: Store, model: Model) -> str:
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        return store.artifacts.put_directory(Bundle.write(Path(folder) / "b", model).directory)


def _read_model(store: Store, digest: str, trusted: Sequence[str]) -> Model:
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        place = store.artifacts.restore_directory(digest, Path(folder) / "b")
        return Bundle.open(place).load_model(trusted=trusted)
