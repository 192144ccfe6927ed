"""A fitted estimator with what it was made from, and the bundle that serves it."""

from mldeploy.model._bundle import Bundle
from mldeploy.model._code import CodeState
from mldeploy.model._format import ModelFormat, SkopsFormat
from mldeploy.model._labels import classes_of, labels_of
from mldeploy.model._model import Model
from mldeploy.model._provenance import Provenance
from mldeploy.model._signature import Signature

__all__ = [
    "Bundle",
    "CodeState",
    "Model",
    "ModelFormat",
    "Provenance",
    "Signature",
    "SkopsFormat",
    "classes_of",
    "labels_of",
]
