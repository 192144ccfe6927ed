"""What several kits ask of a part, in the words of its author."""

from __future__ import annotations

import dataclasses
import pickle
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from mldeploy.errors import MLDeployError
from mldeploy.evidence import Report
from mldeploy.testing._samples import HOSTILE_NAMES, Sample

T = TypeVar("T")


def fields_of(part: object) -> dict[str, Any]:
    """Return the fields of an instance by name, whether in a dict or in slots."""
    if dataclasses.is_dataclass(part):
        own = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
        return own | getattr(part, "__dict__", {})
    return dict(getattr(part, "__dict__", {}))


def require_frozen(part: object) -> None:
    """Assigning a field must raise, as it does in a frozen dataclass."""
    for name, value in fields_of(part).items():
        try:
            setattr(part, name, value)
        except AttributeError:
            continue
        raise AssertionError(
            f"{type(part).__name__}.{name} can be assigned; make it a frozen dataclass"
        )


def content_of(value: object) -> bytes:
    """Return what an object holds; equal before and after as long as nobody changes it."""
    return pickle.dumps(value)


def copy_by_pickle(part: T) -> T:
    """Return what another process would get."""
    copied: T = pickle.loads(pickle.dumps(part))  # noqa: S301 (made one line above)
    return copied


def answer_or_refusal(ask: Callable[[], T], *, about: str) -> T | None:
    """Return what was answered, None if it was refused by a typed error; all else is a fault."""
    try:
        return ask()
    except MLDeployError:
        return None
    except Exception as error:
        raise AssertionError(
            f"{about}: {type(error).__name__}: {error}; yield a finding, or raise a typed error "
            "of mldeploy.errors that says what to do"
        ) from error


def require_escaped(html: str) -> None:
    """No name of a column may become an element."""
    for name in HOSTILE_NAMES[:2]:
        assert name not in html, f"{name!r} stands in the HTML unescaped"


def require_round_trip(report: Report) -> None:
    """The report must come back from JSON as it was."""
    for finding in report.findings:
        numbers = [finding.estimate, finding.threshold, *finding.details.values()]
        unknown = [x for x in numbers if isinstance(x, float) and np.isnan(x)]
        assert not unknown, f"{finding.name} holds NaN; leave out what is not known"
    assert Report.model_validate_json(report.to_json()) == report


def same_findings(one: Report | None, other: Report | None) -> bool:
    """Tell whether two reports say the same, whenever they were made."""
    if one is None or other is None:
        return one is other
    return one.findings == other.findings and one.about == other.about


def contents_of_sample(sample: Sample) -> Mapping[str, object]:
    """Return what is in the data of a sample, read anew: caches are not believed."""
    return {
        f"{side}.{name}": content
        for side, data in (("train", sample.train), ("test", sample.test))
        for name, content in (
            ("table", data.table.to_dict(as_series=False)),
            ("features", data.X().to_csv()),
            ("source", None if data.source is None else data.source.to_csv()),
            ("roles", data.roles),
        )
    }


def require_equal(before: Mapping[str, object], after: Mapping[str, object]) -> None:
    """Name what has changed between two looks."""
    changed = [name for name in before if repr(before[name]) != repr(after[name])]
    assert not changed, f"{', '.join(changed)} was changed; work on a copy"


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global generators, and put back what was there."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002 (a part that reads it must be found out)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def drawn_from_global_generators(run: Callable[[], object]) -> bool:
    """Tell whether something draws from, or seeds, the generators that all code shares."""
    with global_seed(7):
        before = (repr(np.random.get_state()), random.getstate())  # noqa: NPY002
        run()
        return before != (repr(np.random.get_state()), random.getstate())  # noqa: NPY002


def at_once(run: Callable[[], T], *, n: int = 2) -> list[T]:
    """Return what several threads get that begin together."""
    barrier = threading.Barrier(n)

    def begin() -> T:
        barrier.wait()
        return run()

    with ThreadPoolExecutor(n) as pool:
        return [future.result() for future in [pool.submit(begin) for _ in range(n)]]
