"""Bytes of strangers on a screen: as text, as a hex dump, or as whichever of the two fits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from enum import StrEnum

from rich.text import Text

from norouter_core.sanitize import escape

_ROW = 16
_MARKS = {"sent": ("> ", "cyan"), "received": ("< ", "magenta"), "stderr": ("", "red")}
"""What stands before each line, so that the direction is told without a colour as well."""


class ByteFormat(StrEnum):
    AUTO = "auto"
    """Text while it is text, else a dump; decided for each piece."""
    TEXT = "text"
    HEX = "hex"


class ByteText:
    """Turns pieces of bytes from several sources into parts of lines, as they come.

    A character whose bytes are cut between two pieces is put together again. A piece that does not
    end with a newline leaves its line open: the next one of the same source goes on in it.
    """

    def __init__(self, form: ByteFormat = ByteFormat.AUTO) -> None:
        self._form = form
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._offsets: dict[str, int] = {}
        self._open: str | None = None

    def feed(self, source: str, data: bytes) -> Iterator[Text]:
        """What to write for one piece; newlines are part of it."""
        if not data:
            return
        offset = self._offsets.get(source, 0)
        self._offsets[source] = offset + len(data)
        if self._form is ByteFormat.HEX or (self._form is ByteFormat.AUTO and not _is_text(data)):
            self._decoders.pop(source, None)
            yield from self.close()
            yield from _dump(source, data, offset)
            return
        decoder = self._decoders.get(source)
        if decoder is None:
            decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
            self._decoders[source] = decoder
        yield from self._text(source, decoder.decode(data))

    def close(self) -> Iterator[Text]:
        """Ends a line that is still open."""
        if self._open is not None:
            self._open = None
            yield Text("\n")

    def _text(self, source: str, text: str) -> Iterator[Text]:
        if not text:
            return
        if self._open != source:
            yield from self.close()
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
"""What no terminal acts on: looked for first, because a command may write megabytes."""


def _is_text(data: bytes) -> bool:
    """Whether nearly all of it is what people write; a cut UTF-8 character at an end is let be."""
    odd = sum(1 for byte in data if byte < 32 and byte not in b"\t\n\r\x1b" or byte == 127)
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
