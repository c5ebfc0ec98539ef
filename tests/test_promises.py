"""What the README promises is held by tests that exist, and the environment is locked as a whole."""

import ast
import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fmlib.config import REPO


def promised() -> dict[str, list[str]]:
    """Lines of the README's section and the tests that each of them names."""
    section = (
        (REPO / "README.md").read_text(encoding="utf-8").split("## What it promises")[1].split("\n## ")[0]
    )
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]  # the first is the heading
    return {line: re.findall(r"`(test_\w+)::(test_\w+)`", line) for line in lines}


def test_every_promise_names_a_test_that_exists():
    lines = promised()
    assert len(lines) > 20
    for line, tests in lines.items():
        assert tests, line
        for module, test in tests:
            tree = ast.parse((REPO / "tests" / f"{module}.py").read_text(encoding="utf-8"))
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (
                module,
                test,
            )


def locked() -> dict[str, set[str]]:
    """The versions that requirements.txt allows of each package (several where Python versions differ)."""
    found: dict[str, set[str]] = {}
    for line in (REPO / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ ;]+)", line):
            found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


def needed(requirements: list[str]) -> set[str]:
    """Every package that these requirements bring with them, as far as they are installed here."""
    seen: set[tuple[str, str]] = set()
    queue = [(Requirement(text), "") for text in requirements]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            if (requirement.name, wanted) not in seen:
                seen.add((requirement.name, wanted))
                queue += [(Requirement(text), wanted) for text in dependencies(requirement.name)]
    return {canonicalize_name(name) for name, _ in seen}


def dependencies(name: str) -> list[str]:
    try:
        return distribution(name).requires or []
    except PackageNotFoundError:
        pytest.fail(f"{name} is needed and not installed")


def test_requirements_lock_every_package_that_is_needed():
    asked = [line for line in (REPO / "requirements.in").read_text().splitlines() if line.strip()]
    versions = locked()
    for name in needed(asked):
        assert distribution(name).version.split("+")[0] in versions.get(name, ()), name
