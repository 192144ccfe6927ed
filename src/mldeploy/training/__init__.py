"""From data to a model that knows where it comes from, with baselines beside it."""

from mldeploy.training._base import Trainer
from mldeploy.training._baselines import default_baselines
from mldeploy.training._calibrated import CalibratedTrainer
from mldeploy.training._estimator import EstimatorTrainer
from mldeploy.training._scoring import score_on_folds
from mldeploy.training._search import SearchTrainer
from mldeploy.training._trials import trials_of

__all__ = [
    "CalibratedTrainer",
    "EstimatorTrainer",
    "SearchTrainer",
    "Trainer",
    "default_baselines",
    "score_on_folds",
    "trials_of",
]
