"""Who may say yes, and what the record says: approvals, waivers, model cards, scorecards."""

from mldeploy.governance._card import CardSection, ModelCard, draft_card, model_card
from mldeploy.governance._declarations import Declaration, Declarations
from mldeploy.governance._desk import ApprovalDesk
from mldeploy.governance._kept_reports import ASSESSED, MONITORED, keep_report, kept_reports
from mldeploy.governance._score_tests import TESTS, ScoreTest
from mldeploy.governance._scorecard import Scorecard, ScoreItem, scorecard

__all__ = [
    "ASSESSED",
    "ApprovalDesk",
    "CardSection",
    "Declaration",
    "Declarations",
    "MONITORED",
    "ModelCard",
    "ScoreItem",
    "ScoreTest",
    "Scorecard",
    "TESTS",
    "draft_card",
    "keep_report",
    "kept_reports",
    "model_card",
    "scorecard",
]
