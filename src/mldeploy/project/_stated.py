"""The problems that a store knows, so that they need not be written down twice."""

from __future__ import annotations

from mldeploy.errors import NotFoundError
from mldeploy.problem import Problem
from mldeploy.store import Store

_KIND = "problem.stated"


def state_problem(store: Store, problem: Problem, *, by: str) -> None:
    """Keep a problem, and when it was stated; one that is known already is not kept again."""
    known = store.ledger.events(kind=_KIND, subject=problem.name)
    if known and known[-1].details["digest"] == problem.digest:
        return
    artifact = store.artifacts.put_bytes(problem.to_json().encode())
    with store.write() as tx:
        tx.record(
            _KIND,
            subject=problem.name,
            actor=by,
            details={"digest": problem.digest, "artifact": artifact},
        )


def stated_problem(store: Store, name: str | None = None) -> Problem:
    """Return a problem as it was last stated.

    Parameters
    ----------
    store : Store
        Where it was stated.
    name : str, optional
        Its name; may be left out where a store knows a single problem.

    Raises
    ------
    NotFoundError
        If the store does not know it, or knows several and no name is given.
    """
    last = {e.subject: e for e in store.ledger.events(kind=_KIND)}
    known = ", ".join(sorted(last)) or "none"
    if name is None and len(last) != 1:
        raise NotFoundError(f"name the problem; {store.root} knows: {known}")
    event = last.get(name) if name is not None else next(iter(last.values()))
    if event is None:
        raise NotFoundError(f"{store.root} knows no problem {name!r}; it knows: {known}")
    content = store.artifacts.read_bytes(str(event.details["artifact"]))
    return Problem.model_validate_json(content)


def stated_names(store: Store) -> tuple[str, ...]:
    """Return the names of the problems that a store knows, sorted."""
    return tuple(sorted({e.subject for e in store.ledger.events(kind=_KIND)}))
