"""What the pages need to know of the service's settings."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the pages; `gongche.service` fills them from the service's own."""

    districts_path: Path  # GeoJSON of the outlines that every map shows
    streets_path: Path | None = None  # GeoJSON of streets for the base map
    tile_url: str = ""  # tile server, https://host/{z}/{x}/{y}.png; empty: vector base map only
    tile_datum: str = "wgs84"  # datum of the tile server's ground: wgs84 or gcj02
    tile_attribution: str = ""  # credit line the tile server asks for, shown as plain text
    secure_cookie: bool = False  # send the session cookie over HTTPS only
    session_hours: int = 12  # hours until a sign-in expires
    public_name: str = "公车 Gongche"  # name in the head of every page
    media_dir: Path | None = None  # folder of pictures, sound and film of terminals; None: no files are kept
