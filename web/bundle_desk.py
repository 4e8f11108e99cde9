"""What the page of evidence bundles needs done that is not its to do: a bundle made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from store.users import User

CHOICES = ("both", "zh", "en")
"""Languages of a report that a person may choose."""


class BusyError(Exception):
    """Another bundle is being made; one at a time keeps the pages answering."""


@dataclass(frozen=True, slots=True)
class GivenBundle:
    """A bundle that was made, kept and put on record."""

    path: Path
    sha256: str
    manifest_sha256: str


class BundleDesk(Protocol):
    """Handed to `create_app` by the service; its method blocks."""

    def give(self, user: User, case_id: int, choice: str) -> GivenBundle:
        """The bundle of a case that is there, in the languages of one of CHOICES; BusyError while another is made."""
