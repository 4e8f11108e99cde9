"""The chapter of what flags are on: its pictures, every number beside its threshold, what was consulted and tested."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely

from geo.localtime import to_datetime
from geo.zones import Zone
from gongche.bundle import case_words
from gongche.bundle.content import CaseContent, Ground, RuleUsed
from gongche.bundle.document import Block, Facts, Grid, Heading, Picture, Text
from gongche.bundle.drawing import Drawing
from gongche.bundle.map_picture import MapContent, districts, draw_map
from gongche.bundle.speed_picture import Lanes, draw_speed
from gongche.bundle.track import MARGIN_US, DayRows, Track
from store.bundle_rows import CaseFlag, CaseRow, Exempted
from store.trip_views import TripRow
from store.views import FlagRow
from web.i18n import Words
from web.shelf import WIDE_KINDS
from web.terms import CLEARED_BY, DARK_CAUSES, DAY_KINDS, LEVELS, numbers_in_words, score_in_words


@dataclass(frozen=True, slots=True)
class Traced:
    """What a report keeps of a track when its rows are written: pictures by language, counts, sources."""

    maps: Mapping[str, Drawing | None]
    charts: Mapping[str, Drawing | None]
    positions: int
    doubtful: int
    days: tuple[DayRows, ...]
    first: datetime | None  # usable position of what is flagged, and the last one
    last: datetime | None
    touched: tuple[Zone, ...]


def traced(track: Track, ground: Ground, content: CaseContent, ground_map: Path, words: Mapping[str, Words]) -> Traced:
    """What a report keeps of a track."""
    places = touched(track, list(content.zones.by_id.values()))
    shown = MapContent(
        districts(ground_map),
        content.zones.area,
        content.zones.base,
        [zone for zone in places if zone != content.zones.base],
        ground.stops,
    )
    lanes = Lanes(ground.shifts, ground.orders, ground.stops)
    flagged = track.sent.fix_time[track.usable & track.flagged]
    first, last = (to_datetime(int(flagged[row])) if len(flagged) else None for row in (0, -1))
    return Traced(
        {language: draw_map(track, shown, each) for language, each in words.items()},
        {language: draw_speed(track, lanes, each) for language, each in words.items()},
        len(track.sent),
        track.doubtful,
        track.days,
        first,
        last,
        tuple(places),
    )


def touched(track: Track, zones: Sequence[Zone]) -> list[Zone]:
    """Places (not districts and wider) that the usable positions, and the way between them, touch, by code."""
    good = track.marked.take(track.usable)
    if not len(good):
        return []
    places = [zone for zone in zones if zone.kind not in WIDE_KINDS]
    points = list(zip(good.lon.tolist(), good.lat.tolist(), strict=True))
    line = shapely.LineString(points) if len(points) > 1 else shapely.Point(points[0])
    tree = shapely.STRtree([zone.geometry for zone in places])
    return sorted((places[n] for n in tree.query(line, predicate="intersects").tolist()), key=lambda zone: zone.code)


def chapter(ground: Ground, seen: Traced, content: CaseContent, words: Words) -> Iterator[Block]:
    """The blocks of what some flags are on."""
    subject = words.text(case_words.SUBJECTS.get(ground.subject, ground.subject))
    yield Heading(1, f"{ground.number}. {subject} {words.when(ground.start)} – {words.when(ground.end)}")
    for flag in ground.flags:
        yield from _flag(flag, ground, content, words)
    if ground.private:
        yield Text(words.text("Approved private use: its mileage is shown, its track is not."))
    else:
        yield from _pictures(seen, words)
    if ground.trip:
        yield Heading(2, words.text("Numbers"))
        yield Facts(_mileage(ground.trip, words) if ground.private else _trip_facts(ground.trip, seen, words))
    if ground.silence:
        yield Heading(2, words.text("Numbers"))
        yield Facts(_silence_facts(ground.silence, words))
    if not ground.private:
        yield from _stops(ground, words)
    yield from _timeline(ground, seen, words)
    yield from _consulted(ground, content, words)
    yield from _tested(ground, content, words)
    if not ground.private:
        yield from _sources(ground, seen, words)


def _pictures(seen: Traced, words: Words) -> Iterator[Block]:
    picture = seen.maps[words.language]
    yield Heading(2, words.text("Map of the way"))
    yield Picture(picture) if picture else Text(words.text("No position places the vehicle in this time."))
    chart = seen.charts[words.language]
    if chart:
        yield Heading(2, words.text("Speed over time"))
        yield Picture(chart)


def _flag(flag: CaseFlag, ground: Ground, content: CaseContent, words: Words) -> Iterator[Block]:
    rule = content.rules[flag.rule, flag.rule_version]
    yield Heading(2, f"{words.text(LEVELS[flag.level])}: {rule.title(words.language)}")
    if not ground.private:  # it names places
        yield Text(flag.reason_zh if words.language == "zh" else flag.reason_en)
    lines = numbers_in_words(_row(flag, content.case), words)
    head = (words.text("Measure"), words.text("Found"), words.text("Threshold"), words.text("Beyond it by"))
    rows = [(line.name, line.found, line.threshold, line.margin or "—") for line in lines]
    if rows:
        yield Grid(head, rows, (4, 2, 2, 2), frozenset({1, 2, 3}))
    said = words.text("Rule %(rule)s, version %(version)s; %(points)s points") % {
        "rule": flag.rule, "version": flag.rule_version, "points": words.number(flag.points),
    }  # fmt: skip
    raised = words.text("raised %(when)s, flag %(flag)s") % {"when": words.when(flag.raised_at), "flag": flag.flag_id}
    yield Text(f"{said}; {raised}", note=True)
    if flag.withdrawn_at:
        yield Text(words.text("Withdrawn %(when)s: its ground is gone.") % {"when": words.when(flag.withdrawn_at)})
    if flag.exemption_id is not None:
        yield Text(words.text("Lifted by exemption %(number)s.") % {"number": flag.exemption_id})
    if flag.verdict:
        yield Text(words.text("Decided: %(verdict)s.") % {"verdict": case_words.state(flag.verdict, words)})


def _row(flag: CaseFlag, case: CaseRow) -> FlagRow:
    """The flag as lists of flags have it."""
    return FlagRow(
        flag.flag_id, flag.rule, flag.level, flag.points, flag.trip_id, case.vehicle_id, case.plate, case.unit_zh,
        case.unit_en, flag.start_time, flag.end_time, flag.reason_zh, flag.reason_en, flag.numbers, flag.rule_version,
        flag.subject, flag.subject_id,
    )  # fmt: skip


def _trip_facts(trip: TripRow, seen: Traced, words: Words) -> list[tuple[str, str]]:
    counts = {"count": words.number(seen.positions), "doubtful": words.number(seen.doubtful)}
    between = words.km_range(trip.distance_low_m, trip.distance_high_m, 2)
    return [
        (words.text("Origin → destination"), f"{trip.origin_place or '—'} → {trip.destination_place or '—'}"),
        (words.text("Start – end"), f"{words.when(trip.start_time)} – {words.when(trip.end_time)}"),
        (words.text("Duration; in motion"), f"{words.minutes(trip.duration_s)}; {words.minutes(trip.moving_s)}"),
        (words.text("Distance (low – high)"), f"{words.km(trip.distance_m, 2)} ({between})"),
        (words.text("Odometer"), words.km(trip.odometer_m, 2)),
        (words.text("Highest speed"), words.kmh(trip.max_speed_mps)),
        (words.text("Off-hours"), f"{words.minutes(trip.off_hours_s)}; {words.km(trip.off_hours_m)}"),
        (words.text("Out of area"), f"{words.minutes(trip.out_of_area_s)}; {words.km(trip.out_of_area_m)}"),
        (words.text("Driver's card"), str(trip.features.get("driver_card") or "—")),
        (words.text("Places touched"), ", ".join(words.name_of(zone) for zone in seen.touched) or "—"),
        (words.text("Positions"), words.text("%(count)s, of them %(doubtful)s doubtful") % counts),
        (words.text("Trip"), trip.trip_id),
    ]


def _mileage(trip: TripRow, words: Words) -> list[tuple[str, str]]:
    between = words.km_range(trip.distance_low_m, trip.distance_high_m, 2)
    return [
        (words.text("Start – end"), f"{words.when(trip.start_time)} – {words.when(trip.end_time)}"),
        (words.text("Duration; in motion"), f"{words.minutes(trip.duration_s)}; {words.minutes(trip.moving_s)}"),
        (words.text("Distance (low – high)"), f"{words.km(trip.distance_m, 2)} ({between})"),
        (words.text("Odometer"), words.km(trip.odometer_m, 2)),
        (words.text("Trip"), trip.trip_id),
    ]


def _silence_facts(silence: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    cause = str(silence.get("dark_cause") or "unknown")
    return [
        (words.text("Distance without a usable fix"), words.km(silence.get("dark_m"), 2)),
        (words.text("Odometer"), words.km(silence.get("odometer_m"), 2)),
        (words.text("Time without a usable fix"), words.minutes(silence.get("dark_s"))),
        (words.text("Cause of the silence"), words.text(DARK_CAUSES.get(cause, cause))),
        (
            words.text("Other vehicles there: silent, of"),
            f"{silence.get('neighbours_silent') or 0} / {silence.get('neighbours_seen') or 0}",
        ),
    ]


def _stops(ground: Ground, words: Words) -> Iterator[Block]:
    yield Heading(2, words.text("Stops and gaps"))
    if not ground.stops:
        yield Text(words.text("None in this time."))
        return
    head = (
        words.text("What"), words.text("From"), words.text("To"), words.text("Duration"), words.text("Place"),
        words.text("Latitude"), words.text("Longitude"),
    )  # fmt: skip
    rows = [
        (
            words.text("Gap") if stop.kind == "gap" else words.text("Stop"),
            words.when(stop.start_time),
            words.when(stop.end_time),
            words.minutes((stop.end_time - stop.start_time).total_seconds()),
            stop.place or "—",
            f"{stop.lat:.6f}",
            f"{stop.lon:.6f}",
        )
        for stop in ground.stops
    ]
    yield Grid(head, rows, (1, 2.1, 2.1, 1.5, 2.2, 1.4, 1.4), frozenset({5, 6}))


def _timeline(ground: Ground, seen: Traced, words: Words) -> Iterator[Block]:
    shown = None if ground.private else ground.trip
    times: list[tuple[datetime, str, str]] = [
        (ground.start, words.text("What is flagged begins"), shown.origin_place if shown else ""),
        (ground.end, words.text("What is flagged ends"), shown.destination_place if shown else ""),
    ]
    if seen.first and seen.last:
        times.append((seen.first, words.text("First usable position"), ""))
        times.append((seen.last, words.text("Last usable position"), ""))
    for begins, ends in ground.shifts or ():
        times += [(begins, words.text("Duty begins"), ""), (ends, words.text("Duty ends"), "")]
    for order in ground.orders:
        times.append((order.starts, words.text("Dispatch order begins"), order.order_no))
        times.append((order.ends, words.text("Dispatch order ends"), order.order_no))
    for stop in ground.stops:
        gap = stop.kind == "gap"
        times.append((stop.start_time, words.text("Gap begins") if gap else words.text("Stop begins"), stop.place))
        times.append((stop.end_time, words.text("Gap ends") if gap else words.text("Stop ends"), stop.place))
    times += [(flag.raised_at, words.text("Flag raised"), flag.rule) for flag in ground.flags]
    times.sort(key=lambda each: each[0])
    yield Heading(2, words.text("Timeline"))
    rows = [(words.when(when), what, where) for when, what, where in times]
    yield Grid((words.text("Time"), words.text("What"), words.text("Where, which")), rows, (2, 3, 3))


def _consulted(ground: Ground, content: CaseContent, words: Words) -> Iterator[Block]:
    yield Heading(2, words.text("Calendar entry"))
    if not content.case.calendar:
        yield Text(words.text("The vehicle has no duty calendar."))
    elif not ground.duty:
        yield Text(words.text("The calendar %(code)s does not know these days.") % {"code": content.case.calendar})
    else:
        rows = [
            (
                words.day(each.day),
                words.text(DAY_KINDS.get(each.kind, each.kind)),
                each.name or "—",
                ", ".join(f"{words.clock(begins)}–{words.clock(ends)}" for begins, ends in each.shifts) or "—",
            )
            for each in ground.duty
        ]
        head = (words.text("Day"), words.text("Kind"), words.text("Occasion"), words.text("Shifts"))
        yield Grid(head, rows, (2, 2, 2, 3))
        yield Text(words.text("Duty calendar: %(code)s") % {"code": content.case.calendar}, note=True)
    yield from _orders(ground, words)
    yield from _exemptions(ground, words)


def _exemptions(ground: Ground, words: Words) -> Iterator[Block]:
    yield Heading(2, words.text("Exemptions"))
    if not ground.exemptions:
        yield Text(words.text("No exemption of the vehicle or of a unit above it holds in this time."))
        return
    rows = [
        (
            str(each.exemption_id),
            each.whose,
            each.rule or words.text("all rules"),
            _validity(each, words),
            each.approved_by,
            each.reason,
        )
        for each in ground.exemptions
    ]
    head = (
        words.text("Number"), words.text("Of"), words.text("Rule"), words.text("Time"), words.text("Approved by"),
        words.text("Reason"),
    )  # fmt: skip
    yield Grid(head, rows, (1, 1.4, 2.2, 3, 1.6, 2.6))


def _validity(exemption: Exempted, words: Words) -> str:
    begins = words.when(exemption.valid_from) if exemption.valid_from else words.text("since ever")
    ends = words.when(exemption.valid_to) if exemption.valid_to else words.text("until further notice")
    return f"{begins} – {ends}"


def _orders(ground: Ground, words: Words) -> Iterator[Block]:
    yield Heading(2, words.text("Dispatch orders"))
    covering = ground.trip.dispatch_order if ground.trip else None
    if not covering:
        yield Text(words.text("No dispatch order covers what is flagged."))
    if not ground.orders:
        yield Text(words.text("None of the vehicle within twelve hours either."))
        return
    rows = [
        (
            f"{order.order_no} ✓" if order.order_no == covering else order.order_no,
            f"{words.when(order.starts)} – {words.when(order.ends)}",
            order.purpose or "—",
            order.destination or "—",
            order.driver_card or "—",
            order.approved_by or "—",
        )
        for order in ground.orders
    ]
    head = (
        words.text("Number"), words.text("Time"), words.text("Purpose"), words.text("Destination"),
        words.text("Driver's card"), words.text("Approved by"),
    )  # fmt: skip
    yield Grid(head, rows, (1.5, 3, 2, 2, 1.3, 1.5))
    yield Text(words.text("✓ covers the trip. Orders within twelve hours are shown too."), note=True)


def _tested(ground: Ground, content: CaseContent, words: Words) -> Iterator[Block]:
    """The innocent causes: of the rules, and of the score of private use."""
    yield Heading(2, words.text("Innocent causes and how they were tested"))
    features = ground.trip.features if ground.trip and not ground.private else {}
    for key in sorted({(flag.rule, flag.rule_version) for flag in ground.flags}):
        rule = content.rules[key]
        rows = _rule_causes(rule, features, words)
        if rows:
            yield Heading(3, rule.title(words.language))
            yield Grid((words.text("Innocent cause"), words.text("Test")), rows, (4, 3))
        else:
            yield Text(words.text("The text of rule %(rule)s was not kept.") % {"rule": rule.rule})
    if not ground.trip or ground.private:
        return
    yield Heading(3, f"{words.text('Evidence of private use')} {words.number(ground.trip.private_score)} / 100")
    scored, nothing = [], []
    for part in score_in_words(features, words):
        if not part.points and not any(held for _, held in part.causes):
            nothing.append(part.name)
            continue
        outcomes = [
            f"{cause}: {words.text('holds') if held else words.text('does not hold')}" for cause, held in part.causes
        ]
        points = words.number(part.points, 1), words.number(part.most)
        scored.append((f"{part.name}\n{part.reason}", *points, "\n".join(outcomes)))
    head = (
        words.text("Evidence"), words.text("Points"), words.text("At most"), words.text("Innocent causes tested"),
    )  # fmt: skip
    yield Grid(head, scored, (4, 1, 1, 4), frozenset({1, 2}))
    yield Text(words.text("“Holds” is said where the cause took points away."), note=True)
    yield Text(words.text("Nothing was found of: %(parts)s") % {"parts": ", ".join(nothing) or "—"}, note=True)


def _rule_causes(rule: RuleUsed, features: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    holds = features.get("holds")
    rows = []
    for cause in rule.said.get("innocent_causes") or ():
        tested = cause.get("tested")
        if tested is None:
            outcome = words.text("only the unit can tell")
        elif holds is None:
            outcome = words.text("tested when it was judged: %(name)s") % {"name": _test_name(tested, words)}
        else:
            held = words.text("holds") if tested in str(holds).split() else words.text("does not hold")
            outcome = f"{_test_name(tested, words)}: {held}"
        rows.append((str(cause.get(words.language) or "—"), outcome))
    return rows


def _test_name(name: str, words: Words) -> str:
    return words.text(CLEARED_BY.get(name, name))


def _sources(ground: Ground, seen: Traced, words: Words) -> Iterator[Block]:
    yield Heading(2, words.text("The positions and where they come from"))
    if not seen.days:
        yield Text(words.text("There are no positions of this time."))
        return
    head = (words.text("Day"), words.text("Rows"), words.text("Read from"), words.text("SHA-256 of the rows"))
    rows = [
        (
            each.day,
            words.number(each.rows),
            words.text("database, not sealed yet")
            if each.sealed is None
            else words.text("%(path)s, sealing %(number)s")
            % {"path": each.sealed.path, "number": each.sealed.sequence},
            each.rows_sha256,
        )
        for each in seen.days
    ]
    yield Grid(head, rows, (1.4, 0.9, 3.2, 4), frozenset({1}))
    said = words.text(
        "Files positions/%(name)s.csv and .parquet: as the terminal sent them, from %(minutes)s minutes before to as long after."
    )
    yield Text(said % {"name": ground.name, "minutes": MARGIN_US // 60_000_000}, note=True)
