"""Signing in and out, and choosing a language."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from store.users import sign_in, sign_out
from web.access import Data, Settings, Show
from web.i18n import LANGUAGE_COOKIE, LANGUAGES
from web.render import SignInPage
from web.security import SESSION_COOKIE, FailedSignIns, is_same_origin

router = APIRouter()
_YEAR_S = 365 * 86_400
_MAX_TEXT = 200


@router.get("/sign-in")
def show_sign_in(request: Request, show: Show, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """The form."""
    return show.render(request, SignInPage("", _local(next)), None)


@router.post("/sign-in")
def do_sign_in(
    request: Request,
    show: Show,
    data: Data,
    settings: Settings,
    name: Annotated[str, Form(max_length=_MAX_TEXT)],
    password: Annotated[str, Form(max_length=_MAX_TEXT)],
    next: Annotated[str, Form(max_length=_MAX_TEXT)] = "/",  # noqa: A002 - the name in the form
) -> Response:
    """Start a session, or show the form again with the reason."""
    if not is_same_origin(request):
        raise HTTPException(403, "sent from another site")
    failures: FailedSignIns = request.app.state.failures
    address = request.client.host if request.client else "?"
    if failures.must_wait(address):
        return show.render(request, SignInPage("wait", _local(next)), None, 429)
    with data.connection() as conn:
        token = sign_in(conn, name, password, settings.session_hours)
    if token is None:
        failures.add(address)
        return show.render(request, SignInPage("wrong", _local(next)), None, 401)
    failures.forget(address)
    response = RedirectResponse(_local(next), status_code=303)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=settings.session_hours * 3600,
        httponly=True,
        samesite="lax",
        secure=settings.secure_cookie,
    )
    return response


@router.post("/sign-out")
def do_sign_out(request: Request, data: Data) -> Response:
    """End the session."""
    if not is_same_origin(request):
        raise HTTPException(403, "sent from another site")
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        with data.connection() as conn:
            sign_out(conn, token)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.get("/language/{language}")
def choose_language(language: str, settings: Settings, next: str = "/") -> Response:  # noqa: A002 - as above
    """Remember a language."""
    if language not in LANGUAGES:
        raise HTTPException(404, "no such language")
    response = RedirectResponse(_local(next), status_code=303)
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=_YEAR_S, samesite="lax", secure=settings.secure_cookie, httponly=True
    )
    return response


@router.get("/health")
def health(data: Data) -> dict[str, bool]:
    """Whether pages and database answer."""
    with data.connection() as conn:
        conn.execute("SELECT 1")
    return {"ok": True}


def _local(path: str) -> str:
    """A path of our own; anything that could lead to another host becomes the first page."""
    harmless = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if harmless else "/"
