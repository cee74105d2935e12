"""The user and password of a proxy."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence


class Credentials:
    """The one user and password that a proxy accepts, compared in constant time."""

    def __init__(self, text: str) -> None:
        """`text` is `USER:PASSWORD`; the password may contain colons."""
        user, _, password = text.partition(":")
        self._user = user.encode()
        self._password = password.encode()

    def match(self, user: bytes, password: bytes) -> bool:
        # Always compare both: the time taken must not show which one is wrong.
        right_user = hmac.compare_digest(self._user, user)
        right_password = hmac.compare_digest(self._password, password)
        return right_user and right_password

    def match_basic(self, values: Sequence[bytes]) -> bool:
        """Return whether there is exactly one `Proxy-Authorization` field, and its value is the
        right one for `Basic` (RFC 7617).
        """
        if len(values) != 1:
            return False
        scheme, _, token = values[0].partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            shown = base64.b64decode(token.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        user, colon, password = shown.partition(b":")
        return self.match(user, password) and bool(colon)
