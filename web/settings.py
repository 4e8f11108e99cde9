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
    public_url: str = ""  # address of the pages as links in messages name it; empty: no links
    case_files_dir: Path | None = None  # folder of files attached to cases; None: none are taken
    attachment_max_mb: int = 20  # megabytes of such a file at most
    reviews_per_inspector_day: int = 20  # length of an inspector's day in the ranked queue
    review_sample_share: float = 0.1  # share of it drawn at random
    explain_within_days: int = 5  # working days a unit has to explain a case
    decide_within_days: int = 10  # working days an inspector has to decide one
    rectify_within_days: int = 20  # working days from a confirmed case to its rectification
    case_calendar: str = ""  # duty calendar whose working days count; empty: those announced for the country
    order_entry_within_h: int = 24  # hours after an emergency use within which its order may still be entered
    purpose_hours: int = 8  # hours for which a stated purpose opens the tracks of a vehicle
