"""When to train anew. A decision is a value; nothing here acts on it."""

from mldeploy.retraining._decision import RetrainingDecision, RetrainingPolicy, Situation
from mldeploy.retraining._policies import AnyOf, CoolDown, OnAlarm, OnNewData, OnSchedule

__all__ = [
    "AnyOf",
    "CoolDown",
    "OnAlarm",
    "OnNewData",
    "OnSchedule",
    "RetrainingDecision",
    "RetrainingPolicy",
    "Situation",
]
