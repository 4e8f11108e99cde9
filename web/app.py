"""The pages as an ASGI application. Each handler asks first who the person is and what that person may see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from store.archive import Archive
from store.database import Database
from store.errors import UnreachableError
from web import (
    accuracy_page,
    activity_page,
    assets,
    bundle_page,
    calendar_pages,
    case_api,
    case_pages,
    exemption_pages,
    flag_page,
    fuel_page,
    inbox_page,
    log_page,
    order_api,
    order_pages,
    pages,
    purpose_pages,
    queue_page,
    rule_pages,
    savings_page,
    seal_page,
    sign_in,
    terminal_pages,
    trip_page,
    watch_page,
)
from web.bundle_desk import BundleDesk
from web.case_api import UnknownDaysError
from web.live import LiveFeed
from web.render import ErrorPage, Renderer
from web.security import FailedSignIns, SecurityHeaders
from web.settings import WebSettings
from web.shelf import ZoneShelf
from web.terminal_desk import TerminalDesk
from web.track_access import REFUSALS
from web.trials import Trials, Turns

STATIC = Path(__file__).parent / "static"


class OwnFiles(StaticFiles):
    """Our own files: a browser asks each time whether they changed, and mostly hears that they did not."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file, to be asked for again."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(
    settings: WebSettings,
    database: Database,
    desk: TerminalDesk | None = None,
    archive: Archive | None = None,
    bundles: BundleDesk | None = None,
    trials: Trials | None = None,
) -> FastAPI:
    """The application over an open database; without a desk nothing is asked of terminals and none is approved.

    Without an archive the positions of days that only the archive holds are not shown; without `bundles` no evidence
    bundle is made; without `trials` no rule is tried.
    """
    feed = LiveFeed(database, settings.tile_datum)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()

    app = FastAPI(title=settings.public_name, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.settings = settings
    app.state.database = database
    app.state.renderer = Renderer(settings)
    app.state.feed = feed
    app.state.zones = ZoneShelf(database)
    app.state.desk = desk
    app.state.archive = archive
    app.state.bundles = bundles
    app.state.trials = trials
    app.state.turns = Turns()
    app.state.failures = FailedSignIns()
    app.include_router(sign_in.router)
    app.include_router(pages.router)
    app.include_router(activity_page.router)
    app.include_router(trip_page.router)
    app.include_router(purpose_pages.router)
    app.include_router(inbox_page.router)
    app.include_router(savings_page.router)
    app.include_router(calendar_pages.router)
    app.include_router(terminal_pages.router)
    app.include_router(log_page.router)
    app.include_router(bundle_page.router)
    app.include_router(fuel_page.router)
    app.include_router(seal_page.router)
    app.include_router(order_api.router)
    app.include_router(order_pages.router)
    app.include_router(exemption_pages.router)
    app.include_router(case_api.router)
    app.include_router(case_pages.router)
    app.include_router(queue_page.router)
    app.include_router(accuracy_page.router)
    app.include_router(watch_page.router)
    app.include_router(flag_page.router)
    app.include_router(rule_pages.router)
    app.mount(assets.VENDOR, assets.vendor_files)
    app.mount("/static", OwnFiles(directory=STATIC))
    app.add_exception_handler(StarletteHTTPException, _show_error)
    app.add_exception_handler(RequestValidationError, _show_bad_request)
    app.add_exception_handler(UnreachableError, _show_unreachable)
    app.add_exception_handler(Exception, _show_fault)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    host = urlsplit(settings.tile_url).netloc.replace("{s}.", "*.")
    app.add_middleware(SecurityHeaders, image_hosts=f"https://{host} http://{host}" if host else "")
    return app


async def _show_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    detail = str(error.detail)
    told = error.told if isinstance(error, UnknownDaysError) else detail if detail in REFUSALS.values() else ""
    return _error_answer(request, error.status_code, detail, told)


async def _show_bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _error_answer(request, 400, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")


async def _show_unreachable(request: Request, _error: Exception) -> Response:
    return _error_answer(request, 503, "the database does not answer")


async def _show_fault(request: Request, _error: Exception) -> Response:
    """A fault of ours: it is logged with its traceback, and none of it is shown."""
    return _error_answer(request, 500, "internal error")


def _error_answer(request: Request, status: int, detail: str, told: str = "") -> Response:
    if request.url.path.startswith("/api/") or request.url.path == "/health":
        return JSONResponse({"error": {"code": status, "message": detail}}, status_code=status)
    if status == 401:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(asked, safe='/')}", status_code=303)
    renderer: Renderer = request.app.state.renderer
    return renderer.render(request, ErrorPage(status, detail, told), None, status)
