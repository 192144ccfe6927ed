"""Read, work and write at the same time, in order, with a bounded number of pieces in hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def overlapped(
    pieces: Iterator[Piece], work: Callable[[Piece], Result], *, n_threads: int
) -> Generator[Result]:
    """Yield ``work(piece)`` for each piece, in order.

    One thread reads ahead by one piece, `n_threads` work; at most ``n_threads + 3`` pieces are in
    hand, so that memory does not grow with their number. What a thread raises is raised here, in
    the order of the pieces. Closing the generator waits for what runs and starts nothing more.

    Examples
    --------
    >>> list(overlapped(iter([1, 2, 3]), lambda n: n * n, n_threads=2))
    [1, 4, 9]
    """
    reader = ThreadPoolExecutor(1, thread_name_prefix="bulk-read")
    workers = ThreadPoolExecutor(n_threads, thread_name_prefix="bulk-score")
    running: deque[Future[Result]] = deque()
    end = object()
    try:
        coming: Future[Piece | object] = reader.submit(next, pieces, end)
        while True:
            while len(running) > n_threads:
                yield running.popleft().result()
            try:
                piece = coming.result()
            except Exception:
                while running:
                    yield running.popleft().result()
                raise
            if piece is end:
                break
            coming = reader.submit(next, pieces, end)
            running.append(workers.submit(work, piece))  # type: ignore[arg-type]
        while running:
            yield running.popleft().result()
    finally:
        reader.shutdown(wait=True, cancel_futures=True)
        workers.shutdown(wait=True, cancel_futures=True)


def written_behind(results: Iterator[Result], write: Callable[[Result], None]) -> Iterator[Result]:
    """Yield each result once it was written, one by one, while the next is being made."""
    with ThreadPoolExecutor(1, thread_name_prefix="bulk-write") as writer:
        last: tuple[Future[None], Result] | None = None
        for result in results:
            if last is not None:
                last[0].result()
                yield last[1]
            last = writer.submit(write, result), result
        if last is not None:
            last[0].result()
            yield last[1]
