# SPDX-License-Identifier: Apache-2.0
"""The page `docs/truth.md`, made from the sections of a whole run."""

from collections.abc import Iterable, Iterator

from benchmarks.truth.section import Goal, Section

_HEAD = """# Truth

Made by `make truth` (seed {seed}); do not edit. Every answer here is held against a truth that is known: published
measurements, or a simulation whose people and cars were counted while they moved. A goal that is not reached
says so.
"""


def page(sections: Iterable[Section], seed: int) -> str:
    """The whole page as Markdown."""
    parts = [_HEAD.format(seed=seed), *("\n".join(_lines(section)) + "\n" for section in sections)]
    return "\n".join(parts)


def _lines(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    yield section.text
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
