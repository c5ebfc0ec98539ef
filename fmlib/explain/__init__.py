"""Grad-CAM and Grad-CAM++ for whole test sets, and what can be measured about their maps."""

from fmlib.explain.cams import METHODS, Cams, Explainer, explainer
from fmlib.explain.contrast import Contrast
from fmlib.explain.reference import coloured, reference

__all__ = ["METHODS", "Cams", "Contrast", "Explainer", "coloured", "explainer", "reference"]
