"""Bytes on disk and over the wire: the data folder, its registers and manifests, archives, downloads.

It imports files and the names of splits, and knows no source: what a source is, and how to get it, is said in
``sources``.
"""
