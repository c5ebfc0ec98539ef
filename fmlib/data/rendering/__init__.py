"""Faces drawn by our own code: a head unwrapped into a texture, painted, lit, turned and photographed."""
