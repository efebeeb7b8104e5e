"""A split in the layout of other tools: one module per format, each with ``check`` and ``write``.

The data of the split itself is not changed; what leaves the data folder carries its source's licence along.
"""

from dgmld_bench.export.run import FORMATS, export

__all__ = ["FORMATS", "export"]
