"""What each role may see: a module for each part of the pages, with TABLE (address → role → status) and POSTS.

In an address `{V1}` stands for the number of a vehicle of the city, `{trip V1}` for its trip; a module may say more of
such names by a function `names(city)`. POSTS are the addresses of forms; who may send them is tested beside each page.
"""

import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType

Statuses = dict[str, int]
Names = Callable[[object], dict[str, str]]

EVERYBODY = {"manager": 200, "inspector": 200, "auditor": 200, "admin": 200}
NOT_THE_MANAGER = {**EVERYBODY, "manager": 404}
ADMIN = {"manager": 403, "inspector": 403, "auditor": 403, "admin": 200}
OFFICE = {"manager": 403, "inspector": 403, "auditor": 200, "admin": 200}
NOT_FOR_THE_MANAGER = {**EVERYBODY, "manager": 403}
NOBODY = dict.fromkeys(EVERYBODY, 404)


def modules() -> Iterator[ModuleType]:
    """The modules of this package."""
    for found in pkgutil.iter_modules(__path__):
        yield pkgutil.resolve_name(f"{__name__}.{found.name}")
