"""Who may say yes, and what the record says: approvals, waivers, model cards, scorecards."""

from mldeploy.governance._card import ModelCard, draft_card, model_card
from mldeploy.governance._card_diff import CardDiff
from mldeploy.governance._card_section import CardSection
from mldeploy.governance._declarations import Declaration, Declarations
from mldeploy.governance._desk import ApprovalDesk
from mldeploy.governance._kept_reports import ASSESSED, MONITORED, keep_report, kept_reports
from mldeploy.governance._score_tests import TESTS, ScoreTest
from mldeploy.governance._scorecard import Scorecard, ScoreItem, scorecard

__all__ = [
    "ASSESSED",
    "ApprovalDesk",
    "CardDiff",
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
