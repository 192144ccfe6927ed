"""Errors cross from one process to another as they are."""

from __future__ import annotations

import pickle

import pytest

from mldeploy import errors
from mldeploy.errors import (
    IntegrityError,
    InvalidRowsError,
    MLDeployError,
    PartFailedError,
    SchemaMismatchError,
    StoreFullError,
    StoreVersionError,
)

RAISED = [
    errors.FieldError(row=3, column="x", code="type", message="no"),
]
SAMPLES: list[MLDeployError] = [
    SchemaMismatchError(missing=["x"], mistyped={"y": "is text"}),
    InvalidRowsError(RAISED),
    IntegrityError("a file", expected="a", found="b"),
    PartFailedError("monday.csv", cause="ValueError: no"),
    StoreFullError("the disk is full"),
    StoreVersionError("here", found=9, supported=1),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_and_its_facts_survive_the_way_to_another_process(error: MLDeployError) -> None:
    error.add_note("in monday.csv")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))
