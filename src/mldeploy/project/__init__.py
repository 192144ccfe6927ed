"""The composition root: one problem with everything that is done about it."""

from mldeploy.project._data import AssessedData
from mldeploy.project._live import Live, must_be_approved
from mldeploy.project._pipeline import PipelineRun
from mldeploy.project._project import Project
from mldeploy.project._stated import stated_names, stated_problem
from mldeploy.project._steps import Step, StepRecord, StepRunner
from mldeploy.project._watch import Watch

__all__ = [
    "AssessedData",
    "Live",
    "PipelineRun",
    "Project",
    "Step",
    "StepRecord",
    "StepRunner",
    "Watch",
    "must_be_approved",
    "stated_names",
    "stated_problem",
]
