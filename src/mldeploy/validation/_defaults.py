"""The validators that a project runs when none are named."""

from __future__ import annotations

from mldeploy.problem import Problem
from mldeploy.validation._autonomy import AutonomyValidator
from mldeploy.validation._criteria import CriteriaValidator
from mldeploy.validation._rivals import BaselineValidator
from mldeploy.validation._slices import SliceValidator
from mldeploy.validation._suite import ValidatorSuite


def default_validators(problem: Problem) -> ValidatorSuite:  # noqa: ARG001 - as for every step
    """Return the validators that suit a problem.

    Parameters
    ----------
    problem : Problem
        What is decided.

    Returns
    -------
    ValidatorSuite
        Criteria, baselines, slices and autonomy. `FitValidator` takes part when you name it:
        it fits the model again and again.
    """
    return ValidatorSuite(
        (CriteriaValidator(), BaselineValidator(), SliceValidator(), AutonomyValidator())
    )
