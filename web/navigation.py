"""The pages by section, as the head of every page offers them to a person."""

from dataclasses import dataclass

from store.users import User
from web.terms import _


@dataclass(frozen=True, slots=True)
class NavPage:
    """A page to go to; `may`: the property of a User that it is offered by, empty: to everybody.

    below: beginnings of other addresses that belong to it.
    """

    href: str
    label: str
    may: str = ""
    below: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether an address is this page's or lies below it."""
        return path == self.href or any(path.startswith(f"{root}/") for root in (self.href, *self.below) if root != "/")


@dataclass(frozen=True, slots=True)
class Section:
    """Pages for one kind of work."""

    label: str
    pages: tuple[NavPage, ...]


SECTIONS = (
    Section(_("Overview"), (NavPage("/", _("Today")), NavPage("/map", _("Live map")))),
    Section(
        _("Supervision"),
        (
            NavPage("/flags", _("Flagged trips")),
            NavPage("/queue", _("Review queue"), "may_review"),
            NavPage("/cases", _("Cases")),
            NavPage("/rules", _("Rules")),
            NavPage("/accuracy", _("Accuracy of rules"), "may_review"),
            NavPage("/watch", _("Watch over reviews"), "may_watch"),
            NavPage("/exemptions", _("Exemptions"), "may_see_exemptions"),
            NavPage("/unlocks", _("Unlocking"), "may_see_unlocks"),
        ),
    ),
    Section(
        _("Fleet"),
        (
            NavPage("/vehicles", _("Vehicles"), below=("/trips",)),
            NavPage("/orders", _("Dispatch orders")),
            NavPage("/fuel", _("Refuelling")),
            NavPage("/seals", _("Sealed vehicles")),
            NavPage("/terminals", _("Terminals")),
        ),
    ),
    Section(_("Figures"), (NavPage("/savings", _("Savings")),)),
    Section(
        _("Administration"),
        (
            NavPage("/quarantine", _("Quarantine"), "may_see_quarantine"),
            NavPage("/log", _("Log"), "may_read_log"),
            NavPage("/calendars", _("Duty calendars"), "may_administer", ("/calendar",)),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A section or page as it is offered: where it leads, and whether it is the present one; pages: of a section."""

    href: str
    label: str
    current: bool
    pages: tuple["Shown", ...] = ()


def navigation(user: User | None, path: str) -> tuple[Shown, ...]:
    """The sections that hold a page for this person, with those pages; the first is where the section leads."""
    found = []
    for section in SECTIONS if user else ():
        mine = [page for page in section.pages if not page.may or getattr(user, page.may)]
        pages = tuple(Shown(page.href, page.label, page.holds(path)) for page in mine)
        if pages:
            found.append(Shown(pages[0].href, section.label, any(page.current for page in pages), pages))
    return tuple(found)
