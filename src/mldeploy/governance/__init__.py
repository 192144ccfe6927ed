"""Who may say yes, and what the record says: approvals, waivers, model cards."""

from mldeploy.governance._card import CardSection, ModelCard, model_card
from mldeploy.governance._desk import ApprovalDesk

__all__ = ["ApprovalDesk", "CardSection", "ModelCard", "model_card"]
