"""A split in the layout of other tools: one module per format, each with ``check`` and ``write``.

The data of the split itself is not changed; what leaves the data folder carries its source's licence along. It imports
splits, scoring and what they stand on; only the command line imports it.
"""

from dgmld_bench.export.run import FORMATS, export

__all__ = ["FORMATS", "export"]
