"""How cases read: states, steps, clocks, cards, and the facts of a step."""

from collections.abc import Mapping
from typing import Any

from web.i18n import Words


def _(text: str) -> str:
    """Mark a text for translation; it is translated where it is shown."""
    return text


CASE_STATES = {
    "flagged": _("to be assigned"),
    "assigned": _("assigned"),
    "explanation_asked": _("explanation asked"),
    "explained": _("explained"),
    "confirmed": _("confirmed"),
    "dismissed": _("dismissed"),
    "dealt_with": _("dealt with"),
    "rectified": _("rectified"),
    "appealed": _("appealed"),
    "upheld": _("upheld on appeal"),
    "reopened": _("re-opened"),
    "closed": _("closed"),
}

CASE_CHIPS = {
    "flagged": "count", "assigned": "count", "explanation_asked": "yellow", "explained": "count", "confirmed": "red",
    "dismissed": "good", "dealt_with": "red", "rectified": "good", "appealed": "yellow", "upheld": "red",
    "reopened": "yellow", "closed": "off",
}  # fmt: skip
"""State → class of its chip."""

CASE_ACTIONS = {
    "open": _("opened the case"),
    "assign": _("assigned the case"),
    "hand_over": _("handed the case over"),
    "ask": _("asked the unit for an explanation"),
    "explain": _("explained for the unit"),
    "confirm": _("confirmed misuse"),
    "dismiss": _("dismissed the flags"),
    "deal": _("dealt with it"),
    "rectify": _("reported the rectification"),
    "close": _("closed the case"),
    "appeal": _("appealed for the unit"),
    "uphold": _("upheld the finding on appeal"),
    "reopen": _("opened the case again"),
    "merge": _("merged flags"),
    "give_up": _("closed, as another case took its flags"),
    "comment": _("commented"),
    "attach": _("attached a file"),
    "card": _("gave a card for the deadline"),
}
"""What a step says of who took it."""

CASE_FORMS = {
    "assign": _("Take or assign"),
    "hand_over": _("Hand over"),
    "ask": _("Ask the unit"),
    "explain": _("Explain"),
    "confirm": _("Confirm misuse"),
    "dismiss": _("Dismiss"),
    "deal": _("Deal with"),
    "rectify": _("Report rectification"),
    "close": _("Close"),
    "appeal": _("Appeal"),
    "uphold": _("Uphold the finding"),
    "reopen": _("Open again"),
    "merge": _("Take further flags of the vehicle"),
    "comment": _("Comment"),
    "attach": _("Attach a file"),
}
"""The form of a step."""

CASE_ASKED = {
    "ask": _("What the unit is to explain"),
    "explain": _("Explanation of the unit"),
    "rectify": _("What was done so that it does not happen again"),
    "comment": _("Note, not shown to the unit"),
}
"""What the text of a step is, where it is no reason."""

CASE_CARDS = {"prompt": _("due soon"), "yellow": _("overdue"), "red": _("long overdue")}

CASE_CLOCKS = {
    "explain": _("for the unit to explain"),
    "decide": _("for the inspector to act"),
    "rectify": _("for it to be rectified"),
}
"""What the time of a clock is for."""

CASE_LOG = {
    **{f"case {action}": text for action, text in CASE_ACTIONS.items()},
    "case": _("looked at a case"),
    "case file": _("fetched a file of a case"),
}
"""Actions of the log that are about cases."""

_INSPECTOR, _TAKEN = _("inspector"), _("from case %(number)s")
_GIVEN = _("to case %(number)s")
_PERSONS, _RECOVERED = _("persons dealt with: %(count)s"), _("recovered: %(yuan)s yuan")
_FLAGS = _("flags: %(count)s")


def step_facts(facts: Mapping[str, Any], words: Words) -> list[str]:
    """What a step says beside its reason, a line each."""
    lines = []
    if "inspector" in facts:
        lines.append(f"{words.text(_INSPECTOR)}: {facts['inspector']}")
    if "flags" in facts:
        lines.append(words.text(_FLAGS) % {"count": words.number(len(facts["flags"]))})
    lines += [words.text(_TAKEN) % {"number": number} for number in facts.get("taken_from", {})]
    if "given_to" in facts:
        lines.append(words.text(_GIVEN) % {"number": facts["given_to"]})
    if "measure" in facts:
        lines.append(str(facts["measure"]))
    if "persons" in facts:
        lines.append(words.text(_PERSONS) % {"count": words.number(facts["persons"])})
    if "recovered_yuan" in facts:
        lines.append(words.text(_RECOVERED) % {"yuan": words.number(float(facts["recovered_yuan"]), 2)})
    if "file" in facts:
        lines.append(str(facts["file"]))
    return lines
