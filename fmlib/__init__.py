"""fmlib: the library behind the face-mask report series."""

__version__ = "0.1.0"
