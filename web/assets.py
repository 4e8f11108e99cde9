"""Scripts and styles of installed packages, served by us: compressed once, kept by browsers until the package changes."""

import gzip
from asyncio import to_thread
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

VENDOR = "/static/vendor"
LEAFLET = f"{VENDOR}/leaflet-{version('django-js-lib-leaflet')}"
PLOTLY = f"{VENDOR}/plotly-{version('plotly')}/plotly.min.js"
_YEAR_S = 365 * 86_400


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _files() -> dict[str, Path]:
    """Address → file: of each package only what browsers ask for."""
    folder = _package("js_lib_leaflet") / "static" / "js_lib_leaflet"
    leaflet = [folder / "leaflet.js", folder / "leaflet.css", *sorted((folder / "images").glob("*.png"))]
    files = {f"{LEAFLET}/{path.relative_to(folder).as_posix()}": path for path in leaflet}
    return {**files, PLOTLY: _package("plotly") / "package_data" / "plotly.min.js"}


FILES = _files()


@lru_cache(maxsize=32)
def _content(path: Path) -> tuple[bytes, bytes]:
    """The bytes of a file, plain and compressed."""
    plain = path.read_bytes()
    return plain, gzip.compress(plain, 6, mtime=0)


async def vendor_files(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application of the files; the address of each carries its package's version."""
    file = FILES.get(scope["path"])
    if file is None:
        raise HTTPException(404, "no such file")
    plain, compressed = await to_thread(_content, file)
    headers = {"Cache-Control": f"public, max-age={_YEAR_S}, immutable", "Vary": "Accept-Encoding"}
    media_type = guess_type(file.name)[0]
    if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
        response = Response(compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=media_type)
    else:
        response = Response(plain, headers=headers, media_type=media_type)
    await response(scope, receive, send)
