"""Pieces are read, scored and written at the same time, in order, and never many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.serving._bulk_flow import overlapped, written_behind


@given(st.lists(st.integers()), st.integers(1, 4))
def test_results_come_in_the_order_of_the_pieces(pieces: list[int], n_threads: int) -> None:
    written: list[int] = []

    results = overlapped(iter(pieces), lambda piece: 2 * piece, n_threads=n_threads)
    given_back = list(written_behind(results, written.append))

    assert given_back == written == [2 * piece for piece in pieces]


def test_no_more_pieces_are_read_than_threads_need() -> None:
    """With 2 threads at most 5 pieces are in hand: 1 read ahead, 3 at work, 1 given."""
    n_read = n_given = most = 0

    def pieces() -> Iterator[int]:
        nonlocal n_read, most
        for number in range(100):
            n_read += 1
            most = max(most, n_read - n_given)
            yield number

    for _ in overlapped(pieces(), lambda piece: piece, n_threads=2):
        n_given += 1

    assert most <= 5


def test_two_pieces_are_worked_on_at_the_same_time() -> None:
    """Each waits for the other: one thread alone would wait for ever."""
    both = threading.Barrier(2, timeout=30)

    def work(piece: int) -> int:
        both.wait()
        return piece

    assert list(overlapped(iter(range(6)), work, n_threads=2)) == list(range(6))


def test_what_was_read_before_an_error_is_given_before_it() -> None:
    def pieces() -> Iterator[int]:
        yield from range(7)
        raise OSError("gone")

    given_back: list[int] = []
    with pytest.raises(OSError, match="gone"):
        given_back.extend(overlapped(pieces(), lambda piece: piece, n_threads=2))

    assert given_back == list(range(7))


def test_an_error_at_work_comes_in_its_place() -> None:
    given_back: list[float] = []
    with pytest.raises(ZeroDivisionError):
        given_back.extend(overlapped(iter([1, 2, 0, 4]), lambda n: 1 / n, n_threads=3))

    assert given_back == [1.0, 0.5]


def test_an_error_while_writing_ends_the_flow() -> None:
    def write(result: int) -> None:
        if result == 2:
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        list(written_behind(iter(range(5)), write))


def test_no_thread_is_left_when_the_reader_leaves() -> None:
    results = overlapped(iter(range(1000)), lambda piece: piece, n_threads=2)
    next(results)
    results.close()

    names = {thread.name for thread in threading.enumerate()}
    assert not {name for name in names if name.startswith("bulk-")}
