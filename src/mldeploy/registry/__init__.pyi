from ._records import ModelVersion, Promotion
from ._registry import CHAMPION, Registry
from ._rules import SELF_APPROVAL
from ._sign_offs import SignOffs

__all__ = ["CHAMPION", "ModelVersion", "Promotion", "Registry", "SELF_APPROVAL", "SignOffs"]
