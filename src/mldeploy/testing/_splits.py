"""The kit of splits."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from mldeploy.data import Dataset, Partition, Split
from mldeploy.errors import InvalidDataError
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import (
    answer_or_refusal,
    copy_by_pickle,
    drawn_from_global_generators,
    global_seed,
    require_frozen,
)
from mldeploy.testing._samples import sample_frame

Folds = list[tuple[list[int], list[int]]]


class SplitConformance(Conformance, kit=True):
    """Subclass as ``TestYourSplit`` and define the `split` fixture.

    The data have a time, a target, and units of three rows that follow each other.
    """

    @pytest.fixture
    def split(self) -> Split:
        """The split on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `split` fixture")

    def test_public_methods_are_the_inherited_ones(self, split: Split) -> None:
        """Units are kept apart in one place."""
        for name in ("split", "folds"):
            assert inspect.getattr_static(split, name) is vars(Split)[name], name

    def test_no_row_is_on_both_sides(self, split: Split) -> None:
        """And each is on a side once at most."""
        parts = split.split(_rows())
        train, test = _numbers(parts.train), _numbers(parts.test)
        assert train
        assert test
        assert len({*train, *test}) == len(train) + len(test)

    def test_no_unit_is_on_both_sides(self, split: Split) -> None:
        """Rows of one unit know each other."""
        data = _rows()
        parts = split.split(data)
        assert not {*_units(parts.train)} & {*_units(parts.test)}
        units = np.asarray(_units(data))
        for train, test in split.folds(data, 3):
            assert not {*units[train].tolist()} & {*units[test].tolist()}

    def test_rows_stay_what_they_were(self, split: Split) -> None:
        """A split selects; columns and roles are those of the whole."""
        data = _rows()
        for part in _sides(split.split(data)):
            assert part.columns == data.columns
            assert part.roles == data.roles
            assert part.table.equals(data.take(_numbers(part)).table)

    def test_folds_are_as_many_as_asked_for_and_disjoint(self, split: Split) -> None:
        """No row is judged by in two folds, nor learnt from and judged by in one."""
        data = _rows()
        for n in (2, 5):
            folds = _folds(split, data, n)
            assert len(folds) == n
            judged = [row for _, test in folds for row in test]
            assert len(set(judged)) == len(judged)
            for train, test in folds:
                assert not {*train} & {*test}
                assert {*train, *test} <= {*range(len(data))}

    def test_equal_data_give_equal_parts(self, split: Split) -> None:
        """Also under another global seed, and in a copy of the split."""
        with global_seed(1):
            first, folds = split.split(_rows()), _folds(split, _rows(), 3)
        with global_seed(2):
            second, again = split.split(_rows()), _folds(copy_by_pickle(split), _rows(), 3)
        assert _numbers(first.train) == _numbers(second.train)
        assert _numbers(first.test) == _numbers(second.test)
        assert folds == again

    def test_global_generators_are_left_alone(self, split: Split) -> None:
        """A part that seeds or draws from them changes what other code does."""
        data = _rows()
        assert not drawn_from_global_generators(
            lambda: (split.split(data), _folds(split, data, 3))
        )

    def test_inputs_are_left_untouched(self, split: Split) -> None:
        """What is handed over belongs to the caller."""
        data = _rows()
        split.split(data)
        _folds(split, data, 3)
        assert data.table.equals(_rows().table)

    def test_too_few_rows_are_a_typed_error(self, split: Split) -> None:
        """One row, one unit or one moment cannot be divided."""
        for rows in ([0], [0, 1], [0, 1, 2]):
            data = _rows().take(rows)
            answer_or_refusal(lambda d=data: split.split(d), about=f"{len(rows)} rows")  # type: ignore[misc]
            answer_or_refusal(lambda d=data: _folds(split, d, 3), about=f"{len(rows)} rows")  # type: ignore[misc]

    def test_one_fold_is_refused(self, split: Split) -> None:
        """It would leave nothing to judge by."""
        with pytest.raises(InvalidDataError):
            _folds(split, _rows(), 1)

    def test_instance_is_frozen(self, split: Split) -> None:
        """A split is shared."""
        require_frozen(split)


def _rows() -> Dataset:
    frame = sample_frame(n_rows=120)
    frame["number"], frame["who"] = np.arange(120), np.arange(120) // 3
    return Dataset.of(frame, target="late", time="asked_at", unit="who")


def _sides(parts: Partition) -> tuple[Dataset, Dataset]:
    return parts.train, parts.test


def _numbers(data: Dataset) -> list[int]:
    return [int(i) for i in data.column("number")]


def _units(data: Dataset) -> list[int]:
    return [int(i) for i in data.column("who")]


def _folds(split: Split, data: Dataset, n: int) -> Folds:
    return [(train.tolist(), test.tolist()) for train, test in split.folds(data, n)]
