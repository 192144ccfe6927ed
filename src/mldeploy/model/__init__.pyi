from ._bundle import Bundle
from ._code import CodeState
from ._format import ModelFormat, SkopsFormat
from ._labels import classes_of, labels_of
from ._model import Model
from ._provenance import Provenance
from ._signature import Signature

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
