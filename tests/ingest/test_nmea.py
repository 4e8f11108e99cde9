"""Sentences over any chunking, and fixes assembled across the sentences of an epoch."""

import math
from datetime import UTC, datetime
from fractions import Fraction
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.localtime import to_us
from ingest.errors import FieldError, Refusal
from ingest.nmea import EpochAssembler, Fix, LineSplitter
from ingest.nmea import encode as enc
from ingest.nmea.epoch import MAX_HELD, MAX_SENTENCES
from ingest.nmea.fields import read_angle, read_day
from ingest.nmea.sentence import TALKERS, checksum
from ingest.report import Report
from tests.ingest.nmea_strategies import PLACE, line, streams
from tests.ingest.protocol_strategies import chunkings, mutated, reports, sentence_streams


def fixes(*contents: str, assembler: EpochAssembler | None = None) -> list[Report]:
    return [each.report for each in found(*contents, assembler=assembler) if isinstance(each, Fix)]


def found(*contents: str, assembler: EpochAssembler | None = None) -> list[Fix | Refusal]:
    used = assembler or EpochAssembler()
    return [each for content in contents for each in used.feed(line(content))] + used.close()


def utc(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=UTC))  # type: ignore[misc, arg-type]


RMC = f"GNRMC,120000.00,A,{PLACE},10.0,90.0,231126,,,A"


@given(data=st.data(), sentences=sentence_streams(), noise=st.binary(max_size=6))
def test_sentences_are_the_same_over_any_chunking(data: st.DataObject, sentences: list[bytes], noise: bytes) -> None:
    def split(chunks: list[bytes]) -> list[bytes]:
        splitter = LineSplitter(limit=80)
        result = [each for chunk in chunks for each in splitter.feed(chunk)] + splitter.close()
        return [each.raw if isinstance(each, Refusal) else each for each in result]

    stream = noise + b"\n" + b"".join(sentences)
    assert split(data.draw(chunkings(stream))) == split([stream])


@given(st.binary(max_size=2000))
def test_the_checksum_is_every_byte_by_exclusive_or(content: bytes) -> None:
    assert checksum(content) == reduce(xor, content, 0)


@given(report=reports())
def test_a_fix_survives_encode_and_decode(report: Report) -> None:
    used = EpochAssembler(report.terminal)
    for say in (enc.rmc, enc.gga):
        assert used.feed(say(report).strip()) == []
    (each,) = used.close()
    assert isinstance(each, Fix)
    back = each.report
    assert (back.fix_time, back.valid, back.terminal) == (report.fix_time, report.valid, report.terminal)
    assert (back.lat_e7, back.lon_e7, back.satellites) == (report.lat_e7, report.lon_e7, report.satellites)
    assert back.speed_mps == pytest.approx(report.speed_mps, abs=0.0003)


@given(data=st.data(), sentences=sentence_streams())
def test_broken_sentences_are_refused_and_raise_nothing(data: st.DataObject, sentences: list[bytes]) -> None:
    splitter, assembler = LineSplitter(), EpochAssembler()
    for each in splitter.feed(data.draw(mutated(b"".join(sentences)))):
        if isinstance(each, bytes):
            assembler.feed(each)
    assembler.close()


@given(
    kind=st.sampled_from(["RMC", "GGA", "GNS", "GLL", "VTG", "GSA", "ZDA", "GSV"]),
    fields=st.lists(st.text("0123456789.ANVSEW-", max_size=8), max_size=20),
)
def test_any_fields_under_a_right_checksum_raise_nothing(kind: str, fields: list[str]) -> None:
    found(",".join([f"GN{kind}", *fields]), RMC)


def test_two_epochs_are_two_fixes() -> None:
    first, second = fixes(RMC, RMC.replace("120000.00", "120010.00"))
    assert (first.fix_time, second.fix_time) == (utc(2026, 11, 23, 12), utc(2026, 11, 23, 12, 0, 10))


def test_times_with_other_decimals_are_one_epoch() -> None:
    (fix,) = fixes(RMC, f"GNGGA,120000,{PLACE},1,09,0.9,11.0,M,,M,,")
    assert (fix.satellites, fix.altitude_m) == (9, 11.0)


def test_gn_counts_before_other_talkers() -> None:
    def gga(talker: str, satellites: int) -> str:
        return f"{talker}GGA,120000.00,{PLACE},1,{satellites:02d},0.9,11.0,M,,M,,"

    (fix,) = fixes(RMC.replace("GN", "GP", 1), gga("GP", 5), gga("GA", 0), gga("GN", 17))
    assert fix.satellites == 17


def test_a_void_gn_is_not_made_valid_by_another_sentence() -> None:
    (fix,) = fixes("GNRMC,120000.00,V,,,,,,,231126,,,N", f"GPGGA,120000.00,{PLACE},0,00,,,M,,M,,")
    assert (fix.valid, fix.lat_e7) == (False, 231_291_630)


def test_navigational_status_v_does_not_void_the_fix() -> None:
    (fix,) = fixes(RMC + ",V")
    assert fix.valid


@pytest.mark.parametrize(
    ("sentence", "systems"),
    [
        (f"GNGNS,120000.00,{PLACE},ANNA,14,0.8,11.2,-5.1,,,V", ("gps", "beidou")),
        ("GNGSA,A,3,06,09,16,,,,,,,,,,1.6,0.8,1.4,4", ("beidou",)),
        ("GNGSA,A,3,06,09,201,66,,,,,,,,,1.6,0.8,1.4", ("gps", "beidou", "glonass")),
        ("BDGSA,A,3,06,09,16,,,,,,,,,,1.6,0.8,1.4", ("beidou",)),
        ("PQGSA,A,3,06,09,16,,,,,,,,,,1.6,0.8,1.4", ("beidou",)),
    ],
)
def test_systems_in_the_fix(sentence: str, systems: tuple[str, ...]) -> None:
    (fix,) = fixes(RMC, sentence)
    assert fix.systems == systems


def test_vtg_gives_the_speed_where_rmc_has_none() -> None:
    (fix,) = fixes(f"GNRMC,120000.00,A,{PLACE},,,231126,,,A", "GNVTG,90.0,T,,M,,N,36.0,K,A")
    assert fix.speed_mps == pytest.approx(10.0)
    assert fix.course_deg == 90.0


def test_zda_gives_the_date_for_gga() -> None:
    (fix,) = fixes("GNZDA,120000.00,23,11,2026,00,00", f"GNGGA,120000.00,{PLACE},1,09,0.9,11.0,M,,M,,")
    assert fix.fix_time == utc(2026, 11, 23, 12)


def test_fixes_before_the_first_date_are_held_and_then_dated() -> None:
    gga = f"GNGGA,235958.00,{PLACE},1,09,0.9,11.0,M,,M,,"
    rmc = RMC.replace("120000.00", "000001.00")
    held, dated = fixes(gga, rmc)
    assert (held.fix_time, dated.fix_time) == (utc(2026, 11, 22, 23, 59, 58), utc(2026, 11, 23, 0, 0, 1))


def test_fixes_that_never_get_a_date_are_refused_and_bounded() -> None:
    used = EpochAssembler()
    gga = [f"GNGGA,1200{s:02d}.00,{PLACE},1,09,0.9,11.0,M,,M,," for s in range(60)]
    gga += [each.replace("1200", "1201") for each in gga]
    refused = found(*gga, assembler=used)
    assert len(refused) == 120
    assert all(isinstance(each, Refusal) for each in refused)


def test_a_little_disorder_is_not_the_next_day() -> None:
    gga = f"GNGGA,115959.00,{PLACE},1,09,0.9,11.0,M,,M,,"
    assert [fix.fix_time for fix in fixes(RMC, gga)] == [utc(2026, 11, 23, 12), utc(2026, 11, 23, 11, 59, 59)]


def test_identity_ends_the_epoch_and_names_who_speaks() -> None:
    used = EpochAssembler()
    first, second = fixes("PGONG,A1", RMC, "PGONG,B2", RMC, assembler=used)
    assert (first.terminal, second.terminal) == ("A1", "B2")


def test_sentences_that_say_nothing_of_a_position_are_counted() -> None:
    used = EpochAssembler()
    fixes("GPGSV,1,1,01,05,30,090,40", "GNRMC,,V,,,,,,,,,,N", "GNTXT,01,01,02,hi", RMC, assembler=used)
    assert used.ignored == {"GSV outside an epoch": 1, "RMC without time": 1, "TXT": 1}


def test_satellites_in_view_are_told_by_system() -> None:
    (fix,) = fixes(
        RMC,
        "GPGSV,2,1,07,05,30,090,40,06,31,091,41,07,32,092,,08,33,093,43",
        "GPGSV,2,2,07,09,34,094,44,10,,,,11,36,096,46",
        "GBGSV,1,1,03,21,30,090,40,22,31,091,41,23,32,092,42,1",
        "GBGSV,1,1,02,21,30,090,38,22,31,091,39,5",
        "GNGSV,1,1,00",
    )
    assert fix.note["in_view"] == {"gps": 7, "beidou": 3, "several": 0}


@pytest.mark.parametrize(
    "numbers",
    [
        ("2,2,07",),
        ("3,1,07", "3,3,07"),
        ("2,1,07", "2,1,07"),
        ("2,1,07", "2,2,08"),
        ("2,1,07", "3,2,07"),
        ("2,0,07", "2,1,07"),
        ("1,1,",),
    ],
)
def test_a_group_that_is_not_whole_tells_no_satellites_in_view(numbers: tuple[str, ...]) -> None:
    (fix,) = fixes(RMC, *(f"GPGSV,{each}" for each in numbers))
    assert "in_view" not in fix.note


def test_a_group_that_begins_again_tells_them() -> None:
    (fix,) = fixes(RMC, *(f"GPGSV,{each}" for each in ("3,1,09", "2,1,07", "2,2,07")))
    assert fix.note["in_view"] == {"gps": 7}


def test_groups_of_two_systems_may_be_mixed() -> None:
    (fix,) = fixes(RMC, "GPGSV,2,1,07", "BDGSV,2,1,05", "GPGSV,2,2,07", "BDGSV,2,2,05")
    assert fix.note["in_view"] == {"gps": 7, "beidou": 5}


def test_a_group_numbered_beyond_its_own_count_is_refused() -> None:
    refusal, fix = found("GPGSV,2,3,07", RMC)
    assert isinstance(refusal, Refusal)
    assert str(refusal.error) == "number of the sentence: expected at most 2, as many as there are, got 3"
    assert isinstance(fix, Fix)


def test_an_epoch_without_end_is_cut() -> None:
    used = EpochAssembler()
    several = fixes(RMC, *["GNVTG,90.0,T,,M,,N,36.0,K,A"] * 1000, RMC, *[RMC] * 1000, assembler=used)
    assert len(several) == 1 + math.ceil(1001 / MAX_SENTENCES)
    assert used.ignored == {"VTG outside an epoch": 1000 - MAX_SENTENCES + 1}


def test_another_receiver_has_no_date_yet() -> None:
    gga = f"GNGGA,120001.00,{PLACE},1,09,0.9,11.0,M,,M,,"
    first, second = found("PGONG,A1", RMC, "PGONG,A1", gga)[:2]
    assert [each.report.fix_time for each in (first, second) if isinstance(each, Fix)] == [
        utc(2026, 11, 23, 12),
        utc(2026, 11, 23, 12, 0, 1),
    ]
    first, second = found("PGONG,A1", RMC, "PGONG,B2", gga)
    assert isinstance(first, Fix)
    assert isinstance(second, Refusal)


def test_fixes_held_back_are_not_dated_by_another_receiver() -> None:
    held, dated = found("PGONG,A1", f"GNGGA,115959.00,{PLACE},1,09,0.9,11.0,M,,M,,", "PGONG,B2", RMC)
    assert isinstance(held, Refusal)
    assert isinstance(dated, Fix)
    assert dated.report.terminal == "B2"


@pytest.mark.parametrize("talker", ["BD", "GB", "GP", "GL", "GA", "GQ", "GN", "PQ", "QZ", "GI"])
def test_every_talker_is_read(talker: str) -> None:
    (fix,) = fixes(RMC.replace("GN", talker, 1))
    assert fix.systems == ((TALKERS[talker],) if talker != "GN" else ())


@pytest.mark.parametrize(
    ("letter", "valid", "note"),
    [
        ("A", True, {}), ("D", True, {"mode": "differential"}), ("E", True, {"mode": "estimated"}), ("N", False, {}),
        ("R", True, {"mode": "rtk"}), ("F", True, {"mode": "rtk_float"}), ("P", True, {"mode": "precise"}),
        ("M", True, {"mode": "manual"}), ("S", True, {"mode": "simulator"}), ("", True, {}),
    ],
)  # fmt: skip
def test_modes_of_rmc(letter: str, valid: bool, note: dict[str, str]) -> None:
    (fix,) = fixes(RMC[:-1] + letter)
    assert (fix.valid, fix.note) == (valid, note)


@pytest.mark.parametrize(
    ("quality", "valid", "note"),
    [
        ("0", False, {}), ("1", True, {}), ("2", True, {"quality": "differential"}), ("3", True, {"quality": "pps"}),
        ("4", True, {"quality": "rtk"}), ("5", True, {"quality": "rtk_float"}), ("6", True, {"quality": "estimated"}),
        ("7", True, {"quality": "manual"}), ("8", True, {"quality": "simulator"}),
    ],
)  # fmt: skip
def test_qualities_of_gga(quality: str, valid: bool, note: dict[str, str]) -> None:
    _, fix = fixes(RMC, f"GNGGA,120001.00,{PLACE},{quality},09,,11.0,M,,M,,")
    assert (fix.valid, fix.note) == (valid, note)


@pytest.mark.parametrize(
    ("modes", "valid", "systems"),
    [
        ("NNNNNN", False, ()),
        ("NNNAAN", True, ("beidou", "qzss")),
        ("AA", True, ("gps", "glonass")),
        ("", False, ()),
        ("NNNNNA", True, ("navic",)),
    ],
)
def test_mode_letters_of_gns(modes: str, valid: bool, systems: tuple[str, ...]) -> None:
    _, fix = fixes(RMC, f"GNGNS,120001.00,{PLACE},{modes},14,0.8,11.2,-5.1,,,V")
    assert (fix.valid, fix.systems) == (valid, systems)


@pytest.mark.parametrize(("fields", "valid"), [("A", True), ("V", False), ("A,A", True), ("A,N", False)])
def test_gll_before_and_after_it_had_a_mode(fields: str, valid: bool) -> None:
    _, fix = fixes(RMC, f"GNGLL,{PLACE},120001.00,{fields}")
    assert (fix.valid, fix.lat_e7) == (valid, 231_291_630)


def test_rmc_of_nmea_2_2_without_a_mode() -> None:
    (fix,) = fixes(f"GPRMC,120000,A,{PLACE},10.0,90.0,231126")
    assert fix.valid


def test_a_void_fix_keeps_the_place_it_repeats() -> None:
    (fix,) = fixes(f"GNRMC,120000.00,V,{PLACE},,,231126,,,N")
    assert (fix.valid, fix.lat_e7, fix.lon_e7) == (False, 231_291_630, 1_132_644_350)


def test_a_receiver_without_a_fix_that_sends_the_start_of_gps_time_is_kept_as_sent() -> None:
    (fix,) = fixes("GNRMC,000010.00,V,,,,,,,060180,,,N")
    assert fix.fix_time == utc(1980, 1, 6, 0, 0, 10)


def test_a_standing_car_may_have_no_course() -> None:
    (fix,) = fixes(f"GNRMC,120000.00,A,{PLACE},0.0,,231126,,,A")
    assert (fix.speed_mps, fix.course_deg) == (0.0, None)


@pytest.mark.parametrize(
    ("number", "system"),
    [
        (1, "gps"), (32, "gps"), (33, None), (64, None), (65, "glonass"), (96, "glonass"), (193, "qzss"), (200, "qzss"),
        (201, "beidou"), (264, "beidou"), (401, "beidou"), (437, "beidou"), (301, "galileo"), (336, "galileo"),
    ],
)  # fmt: skip
def test_satellite_numbers_without_a_system_id(number: int, system: str | None) -> None:
    (fix,) = fixes(RMC, f"GNGSA,A,3,{number},,,,,,,,,,,,1.6,0.8,1.4")
    assert fix.systems == (() if system is None else (system,))


def test_each_epoch_over_midnight_has_its_own_day() -> None:
    gga = [f"GNGGA,{clock},{PLACE},1,09,0.9,11.0,M,,M,," for clock in ("235958.00", "000001.00")]
    rmc = RMC.replace("120000.00,", "235957.00,"), RMC.replace("120000.00,", "000002.00,").replace("231126", "241126")
    midnight = utc(2026, 11, 24)
    times = [(fix.fix_time - midnight) // 1_000_000 for fix in fixes(rmc[0], *gga, rmc[1])]
    assert times == [-3, -2, 1, 2]


def test_a_line_longer_than_the_standard_allows_is_read() -> None:
    long = RMC + "," * 200
    assert len(line(long)) > 200
    (fix,) = fixes(long)
    assert fix.valid


def test_a_line_without_end_is_refused_once_and_holds_no_memory() -> None:
    splitter = LineSplitter()
    refused = [each for _ in range(100) for each in splitter.feed(b"$" + b"A" * 65_536)]
    assert [str(each.error) for each in refused if isinstance(each, Refusal)] == [
        "line: expected at most 1024 bytes, got more"
    ]
    assert splitter.feed(b"\n" + line(RMC) + b"\r\n") == [line(RMC)]


@pytest.mark.parametrize("text", ["1e3", "nan", "inf", "1_0", " 1", "1 ", "0x1", "--1", "1-", "1000000000"])
def test_what_is_no_number_is_refused(text: str) -> None:
    (refusal,) = found(RMC.replace("10.0", text))
    assert isinstance(refusal, Refusal)
    assert str(refusal.error) == f"speed: expected a number, got {text!r}"


@pytest.mark.parametrize("date", ["300226", "001126", "231326", "2311", "23-1-6", "23112150"])  # the last: in 2150
def test_a_date_that_is_none_is_refused(date: str) -> None:
    (refusal,) = found(RMC.replace("231126", date))
    assert isinstance(refusal, Refusal)
    assert str(refusal.error).startswith("date: expected day, month, year")


def test_a_day_that_is_no_number_of_a_day_is_refused() -> None:
    (refusal,) = found(f"GNZDA,120000.00,{'9' * 30},11,2026,00,00")
    assert isinstance(refusal, Refusal)


@given(stream=streams(), data=st.data())
def test_no_stream_raises_anything_and_memory_is_bounded(stream: bytes, data: st.DataObject) -> None:
    splitter, assembler = LineSplitter(), EpochAssembler()
    for chunk in data.draw(chunkings(data.draw(mutated(stream)))):
        for each in splitter.feed(chunk):
            assert isinstance(each, Refusal) or all(isinstance(one, Fix | Refusal) for one in assembler.feed(each))
    kept = assembler.close()
    assert len(kept) <= MAX_HELD + 1
    assert sum(len(each.raw if isinstance(each, Refusal) else each.report.raw) for each in kept) <= 2 * len(stream) + 64
    assert assembler.idle


@pytest.mark.parametrize(("year", "expected"), [("79", 2079), ("80", 1980), ("99", 1999), ("00", 2000), ("2026", 2026)])
def test_two_digit_years(year: str, expected: int) -> None:
    assert read_day("06", "01", year).year == expected


@given(minutes=st.integers(0, 10_799), digits=st.integers(0, 7), data=st.data())
def test_a_coordinate_is_rounded_to_nearest(minutes: int, digits: int, data: st.DataObject) -> None:
    fraction = data.draw(st.integers(0, 10**digits - 1))
    text = f"{minutes // 60:03d}{minutes % 60:02d}" + (f".{fraction:0{digits}d}" if digits else "")
    exact = Fraction(minutes * 10**digits + fraction, 60 * 10**digits) * 10_000_000
    assert abs(read_angle(text, "E", "EW") - exact) <= Fraction(1, 2)  # type: ignore[operator]  # never None here
    assert read_angle(text, "W", "EW") == -read_angle(text, "E", "EW")  # type: ignore[operator]  # never None here


@pytest.mark.parametrize(
    ("text", "hemisphere"),
    [("2360.0", "N"), ("1e3", "N"), ("2307.7", "X"), ("2307.7", "E"), ("2307.7", ""), ("-2307.7", "N")],
)
def test_a_coordinate_that_is_none_is_refused(text: str, hemisphere: str) -> None:
    with pytest.raises(FieldError):
        read_angle(text, hemisphere, "NS")
