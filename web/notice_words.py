"""What a notice says, and where it leads."""

from urllib.parse import quote

from web.terms import _

NOTICE_KINDS = {
    "case open": _("A case was opened and waits for an inspector"),
    "case assign": _("A case was assigned to you"),
    "case hand_over": _("A case was handed over to you"),
    "case ask": _("Your unit is asked to explain a case"),
    "case explain": _("The unit explained a case"),
    "case confirm": _("A case was confirmed"),
    "case dismiss": _("A case was dismissed"),
    "case deal": _("A case was dealt with"),
    "case rectify": _("A case was rectified"),
    "case close": _("A case was closed"),
    "case appeal": _("The unit appealed"),
    "case uphold": _("A finding was upheld on appeal"),
    "case reopen": _("A case was opened again"),
    "case comment": _("Somebody commented on a case of yours"),
    "case prompt card": _("A deadline ends on the next working day"),
    "case yellow card": _("Yellow card: a deadline has passed"),
    "case red card": _("Red card: a deadline passed long ago"),
    "order apply": _("A dispatch order waits for approval"),
    "order enter": _("An order was entered after an emergency use and waits for approval"),
    "order approve": _("Your dispatch order was approved"),
    "order refuse": _("Your dispatch order was refused"),
    "order cancel": _("A dispatch order was cancelled"),
    "unlock asked": _("Somebody asks to open the tracks of an exempted vehicle"),
    "unlock allowed": _("Your request to open tracks was allowed"),
    "unlock refused": _("Your request to open tracks was refused"),
}
"""Kind of a notice, as in `rules.notices.KINDS` → what it says."""


def notice_link(kind: str, number: str) -> str:
    """The page it is about."""
    if kind.startswith("unlock"):
        return "/unlocks"
    return f"/{'cases' if kind.startswith('case') else 'orders'}/{quote(number, safe='')}"
