from ._base import Expectation, Facts, Question
from ._custom import Holds, Passes
from ._distribution import LikeReference
from ._figures import FigureInRange, Fresh, RowCount, SumInRange
from ._foreign import ForeignExpectations
from ._keys import ForeignKey, Unique
from ._of_schema import OfKind, expectations_of, schema_kept_by
from ._on_engine import ExpectationReduction, check_source
from ._parts import RuleAnswer
from ._rows import RowExpectation
from ._suite import Expectations
from ._vocabulary import InRange, InSet, Matches, Monotone, NotNull

__all__ = [
    "Expectation",
    "ExpectationReduction",
    "Expectations",
    "Facts",
    "FigureInRange",
    "ForeignExpectations",
    "ForeignKey",
    "Fresh",
    "Holds",
    "InRange",
    "InSet",
    "LikeReference",
    "Matches",
    "Monotone",
    "NotNull",
    "OfKind",
    "Passes",
    "Question",
    "RowCount",
    "RowExpectation",
    "RuleAnswer",
    "SumInRange",
    "Unique",
    "check_source",
    "expectations_of",
    "schema_kept_by",
]
