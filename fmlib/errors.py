"""The errors that a user is told about in one sentence instead of a traceback."""

from fmlib.text import printable


class FmlibError(Exception):
    """Something failed; the message names the thing and the remedy."""

    exit_status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(FmlibError):
    """The request itself is wrong: an unknown name, a missing folder, a bad value."""

    exit_status = 2


class ExplosionError(FmlibError):
    """The loss of a training was not finite before one epoch was complete."""


def known(kind: str, name: str, names) -> str:
    """Return `name` if it is among `names`; raise UsageError listing the known ones otherwise."""
    if name not in tuple(names):  # which compares where `name` may be of any type
        raise UsageError(f"unknown {kind} {name!r}; known are: {', '.join(map(str, names))}")
    return name
