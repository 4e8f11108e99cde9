"""The table of steps as docs/cases.md shows it, a diagram and a table: `python -m rules.case_diagram` prints both."""

import sys

from rules.cases import CONDITIONS, GOES_ON, NO_CLOCK, STATES, STAYS, TRANSITIONS, Transition


def diagram() -> str:
    """A state diagram in Mermaid: the steps that change the state, several between two states on one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in TRANSITIONS:
        for source in row.sources if row.to != STAYS else ():
            said = row.action + (f" ({', '.join(row.when)})" if row.when else "")
            arrows.setdefault((source, row.to), []).append(said)
    lines = ["stateDiagram-v2", "    [*] --> flagged: open"]
    for source in STATES:
        lines += [
            f"    {source} --> {to}: {', '.join(dict.fromkeys(arrows[source, to]))}"
            for to in STATES
            if (source, to) in arrows
        ]
    return "\n".join([*lines, "    closed --> [*]"])


def table() -> str:
    """The table of steps in Markdown, a row each."""
    lines = ["| step | from | to | who | says | clock | if |", "|---|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in TRANSITIONS]
    return "\n".join(lines)


def conditions() -> str:
    """What the conditions of the table are called, and what is said where one does not hold."""
    return "\n".join(f"- *{name}*: otherwise `{said}`" for name, (_, said) in CONDITIONS.items())


def _cells(row: Transition) -> tuple[str, ...]:
    sources = "any" if row.sources == STATES else ", ".join(row.sources)
    if len(row.sources) > 6 and row.sources != STATES:
        sources = "any but " + ", ".join(state for state in STATES if state not in row.sources)
    clock = {GOES_ON: "", NO_CLOCK: "none"}.get(row.clock, row.clock)
    return (
        f"`{row.action}`",
        sources,
        row.to or "stays",
        ", ".join(row.who),
        ", ".join(row.needs),
        clock,
        ", ".join(row.when),
    )


if __name__ == "__main__":
    sys.stdout.write(f"{diagram()}\n\n{table()}\n\n{conditions()}\n")
