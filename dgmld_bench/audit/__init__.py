"""The audit: what is wrong, repeated or implausible in data on disk, found by looking at every case once.

Each check is a module that takes the :class:`~dgmld_bench.audit.observe.Observation` of every case and returns
:class:`~dgmld_bench.audit.findings.Finding` objects. Observing a case reads its image once and keeps a thumbnail of it,
so memory does not grow with the size of the images. It imports splits, scoring and what they stand on; only the command
line imports it.
"""

from __future__ import annotations

from dgmld_bench.audit.findings import Audit, Finding
from dgmld_bench.audit.run import audit, targets_on_disk

__all__ = ["Audit", "Finding", "audit", "targets_on_disk"]
