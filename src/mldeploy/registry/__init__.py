"""Which bundles exist, with what evidence, and which of them serve."""

from mldeploy.registry._records import ModelVersion, Promotion
from mldeploy.registry._registry import CHAMPION, Registry
from mldeploy.registry._rules import SELF_APPROVAL
from mldeploy.registry._sign_offs import SignOffs

__all__ = [
    "CHAMPION",
    "ModelVersion",
    "Promotion",
    "Registry",
    "SELF_APPROVAL",
    "SignOffs",
]
