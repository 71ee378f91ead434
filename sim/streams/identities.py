"""Whose chance it is: numbers of requests. See the package for what is modelled."""

from __future__ import annotations

from typing import Final

USERS_LIMIT: Final = 1 << 20
"""Closed users have numbers below this."""

ORDINALS_TOGETHER: Final = 16
"""Consecutive requests of a user that have neighbouring identities."""


def closed_identity(user: int, ordinal: int) -> int:
    """Identity of request `ordinal` of closed user `user` (below `USERS_LIMIT`).

    Sixteen consecutive ordinals of a user stand together, and neighbouring users beside them, so that users who
    advance at about the same pace share blocks.
    """
    return ((ordinal >> 4) << 24) | (user << 4) | (ordinal & 15)
