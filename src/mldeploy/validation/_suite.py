"""Several validators as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from tqdm import tqdm
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.validation._base import Validator
from mldeploy.validation._looks import SupportsLooks


@final
@dataclass(frozen=True)
class ValidatorSuite(Validator):
    """Several validators as one; the findings come in their order.

    Attributes
    ----------
    validators : tuple of Validator
        At least one.
    """

    validators: tuple[Validator, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "validators", tuple(self.validators))
        if not self.validators:
            raise ValueError("a suite needs at least one validator")

    def after_looks(self, n_looks: int) -> ValidatorSuite:
        """Return the suite for the `n_looks`-th model that these rows judge.

        Validators that cannot allow for earlier looks stay as they are.
        """
        return ValidatorSuite(
            tuple(
                v.after_looks(n_looks) if isinstance(v, SupportsLooks) else v
                for v in self.validators
            )
        )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        shown = tqdm(self.validators, desc="validate", unit="check", delay=1, leave=False)
        for validator in shown:
            shown.set_postfix_str(type(validator).__name__)
            yield from validator.validate(model, dataset, problem, champion=champion).findings
