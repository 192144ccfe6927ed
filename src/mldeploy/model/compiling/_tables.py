"""The compiler of tables: columns become numbers in one pass, and kernels answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from mldeploy.data import ColumnSchema
from mldeploy.model._model import Model
from mldeploy.model.compiled._link import Head, Link
from mldeploy.model.compiled._model import CompiledModel, kinds_of
from mldeploy.model.compiling._estimators import planned
from mldeploy.model.compiling._layout import laid_out
from mldeploy.model.compiling._plan import Plan
from mldeploy.model.compiling._wires import NumberWire, OtherWire, Table, TextWire, Wire
from mldeploy.problem import Task


@final
@dataclass(frozen=True, kw_only=True)
class TableCompiler:
    """Compile a pipeline over a table: encoding column by column, and kernels of our own.

    What is neither linear nor made of trees is translated by skl2onnx (extra ``compile``), its
    columns being encoded here in float64.

    Attributes
    ----------
    name : str
        Under which it is reported.

    Examples
    --------
    >>> TableCompiler().name
    'tables'
    """

    name: str = "tables"

    def compile(self, model: Model) -> CompiledModel:
        """Return the compiled model.

        Parameters
        ----------
        model : Model
            With a fitted estimator of scikit-learn, LightGBM, XGBoost or CatBoost, in pipelines
            or alone.

        Returns
        -------
        CompiledModel
            Whether it agrees with the original is not judged here.

        Raises
        ------
        NotCompilableError
            If a step is not known; `steps` names every such step.
        """
        signature = model.signature
        columns = signature.inputs.columns
        table = Table(wires=tuple(_wire(i, column) for i, column in enumerate(columns)))
        plan = planned(model.estimator, table)
        kinds = kinds_of(signature.inputs)
        encoding, mixing = laid_out(plan.wires, kinds=kinds)
        return CompiledModel(
            signature=signature,
            routing=model.routing,
            digest=model.digest,
            encoding=encoding,
            kernels=(*mixing, *plan.kernels),
            head=_head(model, plan),
        )


def _head(model: Model, plan: Plan) -> Head:
    signature = model.signature
    link, scored = plan.link, signature.probabilistic
    if signature.task is not Task.REGRESSION and not scored:
        scored = plan.has_margin
        if link is not Link.PROBABILITIES:
            link = Link.MARGIN
    return Head(
        link=link,
        decision=plan.decision,
        signature=signature,
        threshold=plan.threshold,
        threshold_class=plan.threshold_class,
        scored=scored,
    )


def _wire(place: int, column: ColumnSchema) -> Wire:
    name = column.name
    match column.kind:
        case "string" | "category":
            # A value outside the categories of a category is missing.
            may_miss = column.nullable or column.kind == "category"
            return TextWire(source=place, name=name, may_miss=may_miss)
        case "number" | "integer" | "boolean":
            return NumberWire(
                source=place,
                name=name,
                may_miss=column.nullable,
                may_be_infinite=_may_be_infinite(column),
                dtype=_dtype(column),
            )
        case kind:
            return OtherWire(source=place, name=name, kind=kind)


def _dtype(column: ColumnSchema) -> Literal["bool", "float", "int"]:
    if column.kind == "number" or column.nullable:
        return "float"
    return "int" if column.kind == "integer" else "bool"


def _may_be_infinite(column: ColumnSchema) -> bool:
    return float("inf") in (column.minimum, column.maximum) or (
        float("-inf") in (column.minimum, column.maximum)
    )
