"""The validators that a project runs when none are named."""

from __future__ import annotations

from mldeploy.problem import Problem
from mldeploy.validation._autonomy import AutonomyValidator
from mldeploy.validation._base import Validator
from mldeploy.validation._calibration import CalibrationValidator
from mldeploy.validation._criteria import CriteriaValidator
from mldeploy.validation._explanation import ExplanationValidator
from mldeploy.validation._fairness import FairnessValidator
from mldeploy.validation._leakage import LeakageValidator
from mldeploy.validation._rivals import BaselineValidator
from mldeploy.validation._robustness import RobustnessValidator
from mldeploy.validation._slices import SliceValidator
from mldeploy.validation._suite import ValidatorSuite
from mldeploy.validation._uncertainty import UncertaintyValidator


def default_validators(problem: Problem) -> ValidatorSuite:
    """Return the validators that suit a problem.

    Parameters
    ----------
    problem : Problem
        What is decided.

    Returns
    -------
    ValidatorSuite
        Criteria, baselines, leakage, slices, robustness, explanation, uncertainty and autonomy;
        calibration where classes are predicted, and fairness where columns are sensitive. Only
        criteria and leakage block. `FitValidator` and `StabilityValidator`, which fit the model
        again and again, and the search for nearest flips take part when you name them.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> [type(v).__name__ for v in default_validators(problem).validators][:3]
    ['CriteriaValidator', 'BaselineValidator', 'LeakageValidator']
    """
    suits: list[Validator] = [CriteriaValidator(), BaselineValidator(), LeakageValidator()]
    suits.append(SliceValidator())
    if problem.sensitive:
        suits.append(FairnessValidator())
    if problem.task.is_classification:
        suits.append(CalibrationValidator())
    suits += [
        RobustnessValidator(max_flip_rows=0),
        ExplanationValidator(),
        UncertaintyValidator(),
        AutonomyValidator(),
    ]
    return ValidatorSuite(tuple(suits))
