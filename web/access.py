"""What every handler needs first: the person who asks, and the database."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from store.archive import Archive
from store.database import Database
from store.tokens import user_of_token
from store.users import User, user_of
from web.render import Renderer
from web.security import SESSION_COOKIE, is_same_origin
from web.settings import WebSettings
from web.terminal_desk import TerminalDesk
from web.trials import Trials


def current_user(request: Request) -> User:
    """Who asks: for /api/ whom a bearer token speaks for, where one is sent; else who is signed in. 401 when nobody."""
    bearer = _bearer(request)
    if bearer:
        with database_of(request).connection() as conn:
            found = user_of_token(conn, bearer)
        if found is None:
            raise HTTPException(401, "token: expected one that holds, got one that is unknown, expired or revoked")
        request.state.token_id = found[1]
        return found[0]
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        with database_of(request).connection() as conn:
            user = user_of(conn, token)
        if user is not None:
            return user
    raise HTTPException(401, "not signed in")


def database_of(request: Request) -> Database:
    """The database of this application."""
    database: Database = request.app.state.database
    return database


def renderer_of(request: Request) -> Renderer:
    """The renderer of this application."""
    renderer: Renderer = request.app.state.renderer
    return renderer


def settings_of(request: Request) -> WebSettings:
    """The settings of this application."""
    settings: WebSettings = request.app.state.settings
    return settings


def desk_of(request: Request) -> TerminalDesk | None:
    """What is done for the pages of terminals; None where the pages run without it."""
    desk: TerminalDesk | None = request.app.state.desk
    return desk


def archive_of(request: Request) -> Archive | None:
    """The sealed archive; None where the pages run without it."""
    archive: Archive | None = request.app.state.archive
    return archive


def trials_of(request: Request) -> Trials | None:
    """What tries rules on past days; None where the pages run without it."""
    trials: Trials | None = request.app.state.trials
    return trials


def own_form(request: Request) -> None:
    """403 for a form that was not sent from one of our own pages."""
    if not is_same_origin(request):
        raise HTTPException(403, "sent from another site")


def own_form_or_token(request: Request) -> None:
    """403 for what was sent neither with a bearer token nor from one of our own pages: no other site has the token."""
    if not _bearer(request):
        own_form(request)


def token_of(request: Request) -> dict[str, int]:
    """The number of the token that was used, for facts of what was done with it; empty for a signed-in person."""
    number = getattr(request.state, "token_id", None)
    return {} if number is None else {"token": number}


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and request.url.path.startswith("/api/") else ""


Person = Annotated[User, Depends(current_user)]


def administrator(user: Person) -> User:
    """The person who asks, if an administrator; 403 otherwise."""
    if not user.may_administer:
        raise HTTPException(403, "for the administrator")
    return user


Administrator = Annotated[User, Depends(administrator)]
Data = Annotated[Database, Depends(database_of)]
Show = Annotated[Renderer, Depends(renderer_of)]
Settings = Annotated[WebSettings, Depends(settings_of)]
Desk = Annotated[TerminalDesk | None, Depends(desk_of)]
Sealed = Annotated[Archive | None, Depends(archive_of)]
Tried = Annotated[Trials | None, Depends(trials_of)]
