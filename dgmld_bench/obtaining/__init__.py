"""Getting a source onto the disk and looking after it: download, import, unpack, derive, verify, remove.

It imports sources, storage and formats; the command line calls it.
"""
