from ._evaluations import Evaluations, Look, sketch_of
from ._records import ModelVersion, Promotion
from ._registry import CHAMPION, Registry
from ._rules import SELF_APPROVAL
from ._sign_offs import SignOffs

__all__ = [
    "CHAMPION",
    "Evaluations",
    "Look",
    "ModelVersion",
    "Promotion",
    "Registry",
    "SELF_APPROVAL",
    "SignOffs",
    "sketch_of",
]
