"""How much fits into one of nginx's shared memory zones.

Source   nginx 1.22.1, src/core/ngx_slab.c (ngx_slab_init: head, pages, what describes them), on 64-bit Linux with pages
         of 4096 bytes.
Checked  tests/real/test_nginx_limits.py fills a real zone
"""

from __future__ import annotations

from typing import Final

LEAST_ZONE_BYTES: Final = 8 * 4096
"""Nginx refuses to start with a smaller zone."""

_HEAD_BYTES, _PAGE_BYTES, _DESCRIPTION_BYTES = 704, 4096, 24


def chunks_in(zone_bytes: int, chunk_bytes: int) -> int:
    """Keys for which a zone has room, each in a chunk: one page and one chunk are taken before the first key."""
    pages = (zone_bytes - _HEAD_BYTES) // (_PAGE_BYTES + _DESCRIPTION_BYTES)
    begin = -(-(_HEAD_BYTES + pages * _DESCRIPTION_BYTES) // _PAGE_BYTES) * _PAGE_BYTES
    pages = min(pages, (zone_bytes - begin) // _PAGE_BYTES)
    return (pages - 1) * (_PAGE_BYTES // chunk_bytes) - 1
