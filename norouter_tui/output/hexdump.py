"""Show untrusted bytes as text, as a hex dump, or as whichever fits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from enum import StrEnum

from rich.text import Text

from norouter_core.sanitize import escape

_ROW = 16
_MARKS = {"sent": ("> ", "cyan"), "received": ("< ", "magenta"), "stderr": ("", "red")}
"""The mark before each line shows the direction, with the colour or without it."""


class ByteFormat(StrEnum):
    AUTO = "auto"
    """Text if the bytes look like text, else a dump; decided for each piece."""
    TEXT = "text"
    HEX = "hex"


class ByteText:
    """Turns pieces of bytes from several sources into parts of lines, as they come.

    Characters that are split between two pieces are joined. A piece without a newline at its end
    leaves its line open, and the next piece of the same source continues it.
    """

    def __init__(self, form: ByteFormat = ByteFormat.AUTO) -> None:
        self._form = form
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._offsets: dict[str, int] = {}
        self._open: str | None = None

    def feed(self, source: str, data: bytes) -> Iterator[Text]:
        """Yield what to write for one piece, including newlines."""
        if not data:
            return
        offset = self._offsets.get(source, 0)
        self._offsets[source] = offset + len(data)
        if self._form is ByteFormat.HEX or (self._form is ByteFormat.AUTO and not _is_text(data)):
            yield from self._flush(source)
            yield from self._end_line()
            yield from _dump(source, data, offset)
            return
        decoder = self._decoders.get(source)
        if decoder is None:
            decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
            self._decoders[source] = decoder
        yield from self._text(source, decoder.decode(data))

    def close(self) -> Iterator[Text]:
        """Show the bytes of characters that are incomplete, and end a line that is still open."""
        for source in list(self._decoders):
            yield from self._flush(source)
        yield from self._end_line()

    def _flush(self, source: str) -> Iterator[Text]:
        decoder = self._decoders.pop(source, None)
        if decoder is not None:
            yield from self._text(source, decoder.decode(b"", final=True))

    def _end_line(self) -> Iterator[Text]:
        if self._open is not None:
            self._open = None
            yield Text("\n")

    def _text(self, source: str, text: str) -> Iterator[Text]:
        if not text:
            return
        if self._open != source:
            yield from self._end_line()
        mark, style = _MARKS.get(source, ("", ""))
        goes_on = self._open == source
        text = text.replace("\r\n", "\n")
        ended = text.endswith("\n")
        if not _HARMLESS.fullmatch(text):
            text = "\n".join(map(escape, text.split("\n")))
        if mark:
            inner = text[:-1] if ended else text
            text = inner.replace("\n", f"\n{mark}") + "\n" * ended
            text = text if goes_on else mark + text
        self._open = None if ended else source
        yield Text(text, style=style)


_HARMLESS = re.compile(r"[\n\t -~]*")
"""Text that needs no escaping; a fast check, because a command may write megabytes."""


def _is_text(data: bytes) -> bool:
    """Return whether nearly all bytes are text; a split character at either end is ignored."""
    odd = sum(1 for byte in data if (byte < 32 and byte not in b"\t\n\r\x1b") or byte == 127)
    if odd > len(data) // 32:
        return False
    if data.isascii():
        return True
    text = data.decode("utf-8", "replace")
    return text.count("\ufffd") <= 2 + len(text) // 32


def _dump(source: str, data: bytes, offset: int) -> Iterator[Text]:
    mark, style = _MARKS.get(source, ("", ""))
    for at in range(0, len(data), _ROW):
        row = data[at : at + _ROW]
        pairs = row.hex(" ").ljust(3 * _ROW - 1)
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield Text(f"{mark}{offset + at:08x}  {pairs}  {shown}\n", style=style)
