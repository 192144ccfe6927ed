"""The models that a server serves, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, final

from mldeploy.errors import MLDeployError, NotFoundError
from mldeploy.model import Signature
from mldeploy.serving._answers import Answer, Answered, Answers
from mldeploy.serving._batcher import Batcher
from mldeploy.serving._counts import Counts
from mldeploy.serving._explanation import Explanation
from mldeploy.serving._label import Label
from mldeploy.serving._request import Asked, Keys, Rows, Times
from mldeploy.serving.http._bounds import Limits


class Answering(Protocol):
    """A `Predictor` or a `Traffic`, as far as a server needs one."""

    @property
    def version(self) -> str:
        """Label of the version that answers."""
        ...

    @property
    def signature(self) -> Signature:
        """What goes in and what comes out."""
        ...

    @property
    def is_compiled(self) -> bool:
        """Whether compiled models give all the answers."""
        ...

    @property
    def counts(self) -> Counts:
        """Rows answered, refused and failed so far."""
        ...

    def predict_values(
        self,
        values: Sequence[object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
        order: tuple[str, ...] | None = None,
    ) -> Answered:
        """Answer one row in the order of the features."""
        ...

    def predict_frame(
        self, rows: Rows, *, keys: Keys | None = None, times: Times | None = None
    ) -> Answers:
        """Answer many rows."""
        ...

    def predict_each(self, asked: Sequence[Asked]) -> list[Answered | MLDeployError]:
        """Answer rows of different callers."""
        ...

    def uncertain(self, answer: Answer) -> Answer:
        """Return an answer with what cannot be ruled out beside it."""
        ...


TakesLabels = Callable[[Sequence[Label]], None]


@final
@dataclass(frozen=True, kw_only=True)
class About:
    """What a server tells of the version that answers.

    Attributes
    ----------
    why_not_compiled : str
        Why it did not compile; empty if it did.
    card : str
        Its model card, as Markdown.
    examples : sequence of mapping
        Rows that it can answer.
    facts : mapping
        What is worth knowing of its problem: statement, criteria, owner.
    """

    why_not_compiled: str = ""
    card: str = ""
    examples: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, kw_only=True)
class Served:
    """A model that a server serves.

    Attributes
    ----------
    name : str
        Its name in paths.
    answering : Predictor or Traffic
        What answers.
    batcher : Batcher, optional
        What answers single rows while a model answers that did not compile.
    explain : callable, optional
        Says what each column of a row contributed to its answer.
    about : callable
        Returns what is told of the version that answers now.
    digest : callable
        Returns the SHA-256 of the model that answers.
    """

    name: str
    answering: Answering
    batcher: Batcher | None = None
    explain: Callable[[Mapping[str, Any]], Explanation] | None = None
    about: Callable[[], About] = About
    digest: Callable[[], str] = str

    @property
    def version(self) -> str:
        """Label of the version that answers."""
        return self.answering.version

    @property
    def signature(self) -> Signature:
        """What goes in and what comes out, of the version that answers."""
        return self.answering.signature

    @property
    def is_compiled(self) -> bool:
        """Whether compiled models give all the answers."""
        return self.answering.is_compiled

    @property
    def version_number(self) -> str:
        """The version as protocols want it: what follows the colon of the label."""
        return self.version.rpartition(":")[2]


@final
class Service:
    """The models that a server serves, by name, and what goes with them.

    Parameters
    ----------
    models : sequence of Served
        The first is answered where no model is named.
    limits : Limits, optional
        What a client may ask.
    labels : callable, optional
        Takes labels; without it the server says that it keeps none.
    is_draining : callable, optional
        Tells whether the server is about to end.
    """

    def __init__(
        self,
        models: Sequence[Served],
        *,
        limits: Limits | None = None,
        labels: TakesLabels | None = None,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.default = models[0]
        self.limits = limits or Limits()
        self.labels = labels
        self.is_draining = is_draining

    def model(self, name: str | None = None, version: str | None = None) -> Served:
        """Return a model by name, and refuse a version that does not serve.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        served = self.default if name is None else self.models.get(name)
        if served is None:
            raise NotFoundError(
                f"there is no model {str(name)[:80]!r} here; there are {', '.join(self.models)}"
            )
        if version is not None and version not in (served.version_number, served.version):
            raise NotFoundError(
                f"version {version[:80]!r} of {served.name} does not serve; "
                f"{served.version_number} does"
            )
        return served
