from ._bundle import Bundle
from ._code import CodeState
from ._format import ModelFormat, SkopsFormat
from ._labels import classes_of, labels_of
from ._model import Model
from ._provenance import Provenance
from ._rehearsal import Rehearsal, rehearse
from ._signature import Signature
from .compiled._model import CompiledModel
from .compiling._compile import Compilation, compile_model, default_compilers
from .compiling._compiler import Compiler
from .compiling._parity import prove
from .compiling._tables import TableCompiler

__all__ = [
    "Bundle",
    "CodeState",
    "Compilation",
    "CompiledModel",
    "Compiler",
    "Model",
    "ModelFormat",
    "Provenance",
    "Rehearsal",
    "Signature",
    "SkopsFormat",
    "TableCompiler",
    "classes_of",
    "compile_model",
    "default_compilers",
    "labels_of",
    "prove",
    "rehearse",
]
