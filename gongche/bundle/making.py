"""The making of a bundle: everything of one instant into one zip, file after file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

from psycopg import Connection

from geo.localtime import to_datetime
from gongche.bundle import verifier
from gongche.bundle.content import CaseContent, Ground, read_case
from gongche.bundle.flag_chapter import Traced, traced
from gongche.bundle.html import html
from gongche.bundle.packing import Packing
from gongche.bundle.report import Sealing, Stamp, report, rule_file
from gongche.bundle.rows import frame_lines, frames, positions_csv, positions_parquet
from gongche.bundle.track import Track, no_track, read_track
from store import bundle_rows
from store.archive import Archive
from store.bundle_rows import CaseFile, LogLine, hold_still
from store.manifest import read_manifest, sha256
from web.i18n import Words, translations

PLACES = frozenset(
    ("start_lat", "start_lon", "end_lat", "end_lon", "origin_place", "destination_place", "features",
     "reason_zh", "reason_en", "out_of_area_s", "out_of_area_m")
)  # fmt: skip
"""Names of facts that tell where a vehicle was; the reason of a flag names places."""

LOG_FILE = "log/entries.jsonl"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a bundle takes what is not in the database. case_files: folder of attached files, None: there is none."""

    archive: Archive | None
    districts: Path
    case_files: Path | None


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: hash of the manifest, flags and positions in it, and what was not in order."""

    manifest_sha256: str
    flags: int
    positions: int
    faults: tuple[str, ...]


def make_bundle(
    conn: Connection[Any], sources: Sources, case_id: int, languages: Sequence[str], stamp: Stamp, out: IO[bytes]
) -> Made:
    """Write the bundle of a case into a file; the same bytes for the same rows, files, languages and stamp.

    Memory holds the positions of one flagged trip at a time, and pictures. GongcheError where there is no such case,
    ArchiveError where a sealed part that is needed cannot be read.
    """
    from gongche.bundle.pdf import pdf  # noqa: PLC0415 - a fifth of a second that the start of the pages need not take

    hold_still(conn)
    content = read_case(conn, case_id)
    words = {language: Words(language, translations(language)) for language in languages}
    with Packing(out) as packing:
        seen: dict[int, Traced] = {}
        tracks: list[dict[str, Any]] = []
        for ground in content.grounds:
            track = (
                no_track(ground.span)
                if ground.private
                else read_track(conn, sources.archive, ground.span, ground.shifts, content.zones.area)
            )
            tracks += _pack_track(packing, conn, sources.archive, ground, track)
            seen[ground.number] = traced(track, ground, content, sources.districts, words)
        faults = _pack_attachments(packing, content.files, sources.case_files)
        sealings = _pack_sealings(packing, conn, sources.archive, seen.values(), faults)
        for rule in content.rules.values():
            if rule.kept and rule.kept.text is not None:
                packing.add(rule_file(rule.rule, rule.version), [rule.kept.text.encode()])
        packing.add(LOG_FILE, (_log_line(line) for line in content.log))
        packing.add("case.json", [_json(_case_facts(content))])
        documents = [report(content, seen, sealings, faults, stamp, each) for each in words.values()]
        characters = frozenset[str]().union(*(document.characters for document in documents))
        for document in documents:
            packing.add(f"report-{document.language}.html", [html(document)])
            packing.add(f"report-{document.language}.pdf", [pdf(document, characters)])
        packing.add("README.txt", [README.encode()])
        packing.add("verify.py", [Path(verifier.__file__).read_bytes()])
        manifest = _manifest(content, tracks, sealings, faults, stamp)
        counted = sum(each.positions for each in seen.values())
        return Made(packing.seal(manifest), len(content.flags), counted, tuple(faults))


def _pack_track(
    packing: Packing, conn: Connection[Any], archive: Archive | None, ground: Ground, track: Track
) -> Iterator[dict[str, Any]]:
    if len(track.sent):
        names = {kind: f"positions/{ground.name}.{kind}" for kind in ("csv", "parquet")}
        packing.add(names["csv"], [positions_csv(track)])
        packing.add(names["parquet"], [positions_parquet(track)])
        yield {
            **names,
            "vehicle_id": track.span.vehicle_id,
            "since_us": track.span.since,
            "until_us": track.span.until,
            "days": [_day_facts(track, number) for number in range(len(track.days))],
        }
    if archive is not None and len(track.sent):
        kept = list(frame_lines(frames(conn, archive, track.span, track)))
        if kept:
            packing.add(f"frames/{ground.name}.jsonl", kept)


def _day_facts(track: Track, number: int) -> dict[str, Any]:
    """Where a day's rows were read; columns_sha256, which the part's manifest names, comes with the manifests."""
    day = track.days[number]
    facts: dict[str, Any] = {"day": day.day, "rows": day.rows, "rows_sha256": day.rows_sha256, "source": "database"}
    if day.sealed is not None:
        facts |= {"source": "archive", "part": day.sealed.path, "sequence": day.sealed.sequence}
    return facts


def _pack_attachments(packing: Packing, files: Sequence[CaseFile], folder: Path | None) -> list[str]:
    """Copy the attachments; returns what is not as it was attached, which is left in as far as it is there."""
    faults = []
    for file in files:
        if file.kind != "attachment":
            continue
        path = None if folder is None else folder / file.path
        if folder is None or path is None or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            faults.append(f"attachment {file.evidence_id} ({file.name}): its file is missing")
            continue
        packed = packing.add(f"attachments/{file.evidence_id}-{_plain_name(file.name)}", _blocks(path))
        if packed.sha256 != file.sha256:
            faults.append(
                f"attachment {file.evidence_id} ({file.name}): expected sha256 {file.sha256}, got {packed.sha256}"
            )
    return faults


def _plain_name(name: str) -> str:
    """What of a name every system can hold, its ending kept."""
    kept = "".join(each if each.isalnum() or each in "-_." else "-" for each in name).strip(".")
    return kept[-80:] or "file"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _pack_sealings(
    packing: Packing, conn: Connection[Any], archive: Archive | None, seen: Any, faults: list[str]
) -> list[Sealing]:
    """Copy the manifests from the first that a day shown was sealed by up to the newest; each is named by the next."""
    first = [day.sealed.sequence for each in seen for day in each.days if day.sealed is not None]
    found: list[Sealing] = []
    if archive is None or not first:
        return found
    for sequence, path in bundle_rows.sealings(conn, min(first)):
        try:
            data = archive.files.get(path)
            found.append(Sealing(read_manifest(data), sha256(data)))
        except (OSError, ValueError) as error:
            faults.append(
                f"archive: manifest {sequence}, {path}: {error if isinstance(error, ValueError) else 'missing'}"
            )
            continue
        packing.add(f"archive/{path}", [data])
    return found


def _log_line(line: LogLine) -> bytes:
    facts = asdict(line)
    del facts["person"]
    return json.dumps(facts, ensure_ascii=False).encode() + b"\n"


def _manifest(
    content: CaseContent, tracks: list[dict[str, Any]], sealings: Sequence[Sealing], faults: Sequence[str], stamp: Stamp
) -> dict[str, Any]:
    parts = {part.path: part for each in sealings for part in each.manifest.parts}
    for day in [day for track in tracks for day in track["days"] if day["source"] == "archive"]:
        part = parts.get(day["part"])
        day["columns_sha256"] = part.columns_sha256 if part else None
    heads = content.heads
    return {
        "format": verifier.FORMAT,
        "case": content.case.case_id,
        "vehicle": content.case.vehicle,
        "plate": content.case.plate,
        "made_at": to_datetime(stamp.at_us).isoformat(),
        "made_by": stamp.made_by,
        "code_version": stamp.code_version,
        "faults": list(faults),
        "positions": tracks,
        "log": {"file": LOG_FILE, "head": {"entry_id": heads.entry_id, "sha256": heads.entry_sha256}},
        "archive": {
            "head": {"sequence": heads.sequence, "sha256": heads.manifest_sha256},
            "manifests": [
                {
                    "file": f"archive/{each.manifest.path}",
                    "sequence": each.manifest.sequence,
                    "sha256": each.sha256,
                    "previous_sha256": each.manifest.previous_sha256,
                }
                for each in sealings
            ],
        },
    }


def _case_facts(content: CaseContent) -> Mapping[str, Any]:
    """The case for programs."""
    return {
        "case": asdict(content.case),
        "steps": [asdict(step) for step in content.steps],
        "grounds": [
            {
                "number": ground.number,
                "name": ground.name,
                "subject": ground.subject,
                "subject_id": ground.subject_id,
                "private": ground.private,
                "flags": [_told(asdict(flag), ground) for flag in ground.flags],
                "trip": _told(asdict(ground.trip), ground) if ground.trip else None,
                "silence": _told(dict(ground.silence), ground) if ground.silence else None,
                "stops": [asdict(stop) for stop in ground.stops],
                "orders": [asdict(order) for order in ground.orders],
                "exemptions": [asdict(each) for each in ground.exemptions],
                "duty_days": [asdict(each) for each in ground.duty],
            }
            for ground in content.grounds
        ],
        "files": [asdict(file) for file in content.files],
    }


def _told(facts: dict[str, Any], ground: Ground) -> dict[str, Any]:
    """Facts of a ground; under approved private use without those that tell where it was."""
    return {name: value for name, value in facts.items() if not ground.private or name not in PLACES}


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, default=_plain) + "\n").encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(to_datetime(0).tzinfo).isoformat()
    assert isinstance(value, date), type(value)
    return value.isoformat()


README = """\
证据包 / Evidence bundle

report-zh.pdf, report-zh.html   案件报告(中文)
report-en.pdf, report-en.html   the report of the case (English)
case.json                       案件数据 / the case for programs
positions/                      定位数据,CSV 与 Parquet 内容相同 / positions, the same rows as CSV and Parquet
frames/                         终端原始报文(如有保存)/ what the terminal sent byte by byte, where it was kept
attachments/                    案件附件 / files attached to the case
rules/                          当时使用的规则文本 / the texts of the rules as they were used
archive/                        封存清单副本 / copies of the sealed archive's manifests
log/                            日志条目 / entries of the log
manifest.json, manifest.sha256  各文件的 SHA-256 / the SHA-256 of every file
verify.py                       校验程序,只需 Python 3.8 以上 / the verifier, needs Python 3.8 or newer only

校验 / To check:  python verify.py
"""
