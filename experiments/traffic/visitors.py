"""How many users stand behind one address.

Models   Distinct pairs of user and address. Of very many a part is kept: all pairs of one address in 2, 4, 8, ..., by
         a hash of the address.
Checked  tests/unit/test_traffic_visitors.py
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from experiments.logs.batch import Batch
from experiments.traffic.sessions import kept

MOST_PAIRS: Final = 1 << 18


class Visitors:
    """Who came from where."""

    def __init__(self, most: int = MOST_PAIRS) -> None:
        self.halvings = 0
        """One address in 2 ** this is kept."""
        self._most = most
        self._pairs: set[tuple[int, int]] = set()

    def add(self, rows: Batch) -> None:
        """Requests in any order."""
        is_known = (rows.user >= 0) & (rows.ip >= 0)
        if not is_known.any():
            return
        pairs = np.unique(np.stack([rows.ip[is_known], rows.user[is_known]]), axis=1)
        pairs = pairs[:, kept(pairs[0], self.halvings)]
        self._pairs.update(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
        while len(self._pairs) > self._most:
            self.halvings += 1
            ips = np.array([ip for ip, _ in self._pairs])
            inside = kept(ips, self.halvings).tolist()
            self._pairs = {pair for pair, stays in zip(self._pairs, inside, strict=True) if stays}

    def as_dict(self) -> dict[str, Any] | None:
        """Figures for the result; None where no request has both."""
        if not self._pairs:
            return None
        _, counts = np.unique(np.array([ip for ip, _ in self._pairs]), return_counts=True)
        counts = np.sort(counts)
        return {
            "addresses": len(counts),
            "one_in": 2**self.halvings,
            "mean": float(counts.mean()),
            "p50": int(counts[(len(counts) - 1) // 2]),
            "p95": int(counts[max(0, -(-95 * len(counts) // 100) - 1)]),
            "max": int(counts[-1]),
            "shared_addresses": int((counts > 1).sum()),
        }
