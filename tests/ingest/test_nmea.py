"""Sentences over any chunking, and fixes assembled across the sentences of an epoch."""

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
from ingest.nmea.fields import read_angle, read_day
from ingest.report import Report
from tests.ingest.protocol_strategies import chunkings, mutated, reports, sentence_streams


def line(content: str) -> bytes:
    return f"${content}*{reduce(xor, content.encode(), 0):02X}".encode()


def fixes(*contents: str, assembler: EpochAssembler | None = None) -> list[Report]:
    return [each.report for each in found(*contents, assembler=assembler) if isinstance(each, Fix)]


def found(*contents: str, assembler: EpochAssembler | None = None) -> list[Fix | Refusal]:
    used = assembler or EpochAssembler()
    return [each for content in contents for each in used.feed(line(content))] + used.close()


def utc(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=UTC))  # type: ignore[misc, arg-type]


PLACE = "2307.74978,N,11315.86610,E"
RMC = f"GNRMC,120000.00,A,{PLACE},10.0,90.0,231126,,,A"


@given(data=st.data(), sentences=sentence_streams(), noise=st.binary(max_size=6))
def test_sentences_are_the_same_over_any_chunking(data: st.DataObject, sentences: list[bytes], noise: bytes) -> None:
    def split(chunks: list[bytes]) -> list[bytes]:
        splitter = LineSplitter(limit=80)
        result = [each for chunk in chunks for each in splitter.feed(chunk)] + splitter.close()
        return [each.raw if isinstance(each, Refusal) else each for each in result]

    stream = noise + b"\n" + b"".join(sentences)
    assert split(data.draw(chunkings(stream))) == split([stream])


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
    assert used.ignored == {"GSV": 1, "RMC without time": 1, "TXT": 1}


@pytest.mark.parametrize(("year", "expected"), [("79", 2079), ("80", 1980), ("99", 1999), ("00", 2000), ("2026", 2026)])
def test_two_digit_years(year: str, expected: int) -> None:
    assert read_day("06", "01", year).year == expected


@given(minutes=st.integers(0, 10_799), digits=st.integers(0, 7), data=st.data())
def test_a_coordinate_is_rounded_to_nearest(minutes: int, digits: int, data: st.DataObject) -> None:
    fraction = data.draw(st.integers(0, 10**digits - 1))
    text = f"{minutes // 60:03d}{minutes % 60:02d}" + (f".{fraction:0{digits}d}" if digits else "")
    exact = Fraction(minutes * 10**digits + fraction, 60 * 10**digits) * 10_000_000
    assert abs(read_angle(text, "E") - exact) <= Fraction(1, 2)  # type: ignore[operator]  # never None here
    assert read_angle(text, "W") == -read_angle(text, "E")  # type: ignore[operator]  # never None here


@pytest.mark.parametrize(("text", "hemisphere"), [("2360.0", "N"), ("1e3", "N"), ("2307.7", "X"), ("-2307.7", "N")])
def test_a_coordinate_that_is_none_is_refused(text: str, hemisphere: str) -> None:
    with pytest.raises(FieldError):
        read_angle(text, hemisphere)
