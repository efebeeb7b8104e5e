"""File formats, one module each: to and from arrays.

Markups of 3D Slicer, NIfTI volumes, films, tables of points. They import landmarks and geometry; they do not know where
in the data folder a file lies, nor which source it is of.
"""
