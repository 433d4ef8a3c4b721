# SPDX-License-Identifier: Apache-2.0
"""The page `docs/truth.md`, made from the sections of a whole run."""

from collections.abc import Iterable, Iterator

from benchmarks.truth.section import Goal, Recorded, Section

_HEAD = """# Truth

Made by `make truth`; do not edit. Every answer here is held against a truth that is known: published
measurements, or a simulation whose people and cars were counted while they moved. A goal that is not reached
says so.
"""


def page(parts: Iterable[Recorded]) -> str:
    """The whole page as Markdown."""
    sections = ["\n".join(_lines(section, part.seed)) + "\n" for part in parts for section in part.sections]
    return "\n".join([_HEAD, *sections])


def _lines(section: Section, seed: int) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    yield f"{section.text} First seed {seed}."
    yield ""
    yield f"| {' | '.join(section.columns)} |"
    yield "|---" * len(section.columns) + "|"
    for row in section.rows:
        yield f"| {' | '.join(row)} |"
    if section.goals:
        yield ""
    for goal in section.goals:
        yield f"- {_said(goal)}"


def _said(goal: Goal) -> str:
    limits = [f"at least {goal.low:g}" if goal.low is not None else "", f"at most {goal.high:g}"
              if goal.high is not None else ""]
    verdict = "reached" if goal.reached else "**not reached**"
    return f"{goal.name}: {goal.value:.4g} (goal: {' and '.join(one for one in limits if one)}): {verdict}"
