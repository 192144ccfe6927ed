"""A body that arrives in chunks."""

from __future__ import annotations

import re
from typing import Final, final

from mldeploy.serving.http._refusals import Refusal

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t -~\x80-\xff]*)?")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_LONGEST_LINE: Final = 1024
_MOST_FRAMING: Final = 16 * 1024


@final
class ChunkedBody:
    """Take the chunks of a body as they arrive.

    What frames the chunks may be 16 KiB larger than what is in them: a body cut into single bytes
    costs its sender more than us.

    Parameters
    ----------
    max_bytes : int
        Bytes of content; more is refused.
    """

    def __init__(self, max_bytes: int) -> None:
        self.content = bytearray()
        self.is_complete = False
        self._max_bytes = max_bytes
        self._line = b""
        self._n_left = 0
        self._n_framing = 0
        self._reads_data = self._reads_trailer = False

    def feed(self, data: bytes, begin: int) -> int:
        """Take data from a position on, and return the position behind what belongs to the body.

        Raises
        ------
        Refusal
            With 413 if the body is too large, 400 if it is damaged.
        """
        at, n_data = begin, len(data)
        while at < n_data and not self.is_complete:
            if self._n_left:
                piece = data[at : at + self._n_left]
                self.content += piece
                self._n_left -= len(piece)
                at += len(piece)
                continue
            end = data.find(b"\n", at)
            stop = n_data if end < 0 else end + 1
            self._line += data[at:stop]
            self._n_framing += stop - at
            at = stop
            if len(self._line) > _LONGEST_LINE or (
                self._n_framing > _MOST_FRAMING + len(self.content)
            ):
                raise Refusal(400, "the chunks have more frame than content")
            if end >= 0:
                line, self._line = self._line, b""
                if not line.endswith(b"\r\n"):
                    raise Refusal(400, "a line between chunks does not end in CR LF")
                self._take(line[:-2])
        return at

    def _take(self, line: bytes) -> None:
        if self._reads_data:
            if line:
                raise Refusal(400, "a chunk is longer than it says")
            self._reads_data = False
        elif self._reads_trailer:
            if not line:
                self.is_complete = True
            elif not _TRAILER.fullmatch(line):
                raise Refusal(400, "the trailer is damaged")
        else:
            found = _SIZE.fullmatch(line)
            if found is None:
                raise Refusal(400, "the size of a chunk is no number")
            self._n_left = int(found[1], 16)
            if len(self.content) + self._n_left > self._max_bytes:
                raise Refusal(413, f"the body is over {self._max_bytes} bytes")
            self._reads_data = self._n_left > 0
            self._reads_trailer = self._n_left == 0
