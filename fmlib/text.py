"""Words that come from data (names of files and folders), made harmless for where they are shown."""

import re

_MARKS = re.compile(r"[\\`*<>\[\]{}$|~^\"?:;/]")


def printable(text: object) -> str:
    """The text for a terminal: what is no printable character is spelled out, as `\\x1b`."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in str(text)
    )


def name(text: str) -> str:
    """A name that means nothing to Markdown, HTML, mathtext, terminals and file systems: such marks become `_`."""
    return _MARKS.sub("_", "".join(letter if letter.isprintable() else "_" for letter in text))
