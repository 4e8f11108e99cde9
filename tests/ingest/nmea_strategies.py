"""Hypothesis strategies of sentences: whole epochs of usual receivers, odd fields, broken lines, and names between them."""

from functools import reduce
from operator import xor

from hypothesis import strategies as st

from tests.ingest.protocol_strategies import mutated

TALKERS = st.sampled_from(["GN", "BD", "GB", "GP", "GL", "GA", "GQ", "PQ", "XX"])
KINDS = st.sampled_from(["RMC", "GGA", "GNS", "GLL", "VTG", "GSA", "GSV", "ZDA", "TXT"])
TIMES = st.sampled_from(["120000.00", "120000", "120001.00", "120001.5", "235959.80", "000000.00", "000001", ""])
ODD_TIMES = st.sampled_from(["240000", "235960", "12000", "120000.1234567", "120000.", "1200x0", "126000", "120060"])
DATES = st.sampled_from(["231126", "221126", "", "090407", "290224"])
ODD_DATES = st.sampled_from(["300226", "23112026", "2311", "060180", "231379", "000126", "2a1126"])
NUMBERS = st.sampled_from(["", "0.8", "10.0", "360", "-5.1", "0", "23.326", "99.99", "11.5", "12.5"])
ODD_NUMBERS = st.sampled_from(
    ["1e3", "nan", "+5", "1_0", "-", ".", "-.5", "5.", "12345678901234567", "1000000000", " 1", "1.2.3"]
)
ODD_COUNTS = st.sampled_from(["", "1234", "-1", "x", "001", "999"])


def line(content: str) -> bytes:
    """The sentence of a content, with its checksum."""
    return f"${content}*{reduce(xor, content.encode(), 0):02X}".encode()


def _often(usual: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 19).flatmap(lambda chance: usual if chance else odd)


TIME, DATE, NUMBER = _often(TIMES, ODD_TIMES), _often(DATES, ODD_DATES), _often(NUMBERS, ODD_NUMBERS)
COUNT = _often(st.integers(0, 40).map(lambda n: f"{n:02d}"), ODD_COUNTS)
ANGLE_ODD = st.sampled_from(
    ["2360.0", "9000.0001", "18000.00001", "23", "2307.1234567891", "2307", "00.5", "002307.5", "23 7.5", "-2307.1"]
)


@st.composite
def places(draw: st.DrawFn) -> str:
    """Four fields: empty, usual, or odd."""
    chance = draw(st.integers(0, 19))
    if chance < 4:
        return ",,,"
    decimals = draw(st.integers(0, 9))
    fraction = f".{draw(st.integers(0, 10**decimals - 1)):0{decimals}d}" if decimals else ""
    lat = f"{draw(st.integers(0, 89)):02d}{draw(st.integers(0, 59)):02d}{fraction}"
    lon = f"{draw(st.integers(0, 179)):03d}{draw(st.integers(0, 59)):02d}{fraction}"
    north, east = draw(st.sampled_from("NS")), draw(st.sampled_from("EW"))
    match chance:
        case 4:
            lat = draw(ANGLE_ODD)
        case 5:
            lon = draw(st.just("") | ANGLE_ODD)
        case 6:
            north, east = draw(st.sampled_from(["", "E", "n", "NN"])), draw(st.sampled_from(["", "N", "E"]))
    return f"{lat},{north},{lon},{east}"


@st.composite
def contents(draw: st.DrawFn) -> str:
    """A sentence between `$` and `*`."""
    kind, place = draw(KINDS), draw(places())
    said = {
        "RMC": lambda: [
            draw(TIME), draw(st.sampled_from("AAAV")), place, draw(NUMBER), draw(NUMBER), draw(DATE), "", "",
            *draw(st.sampled_from([[], ["A"], ["D"], ["N"], ["R", "V"], [""], ["x"], ["AA"]])),
        ],
        "GGA": lambda: [
            draw(TIME), place, draw(st.sampled_from(["1", "1", "2", "0", "", "4", "8", "9", "11"])), draw(COUNT),
            draw(NUMBER), draw(NUMBER), "M", draw(NUMBER), "M", "", "",
        ],
        "GNS": lambda: [
            draw(TIME), place, draw(st.sampled_from(["ANNA", "NNNN", "AA", "", "NNNANN", "AANNNNN", "x"])), draw(COUNT),
            draw(NUMBER), draw(NUMBER), "", "", "",
        ],
        "GLL": lambda: [place, draw(TIME), draw(st.sampled_from("AAV")), *draw(st.sampled_from([[], ["A"], ["N"], ["NN"]]))],
        "VTG": lambda: [draw(NUMBER), "T", "", "M", draw(NUMBER), "N", draw(NUMBER), "K", "A"],
        "GSA": lambda: [
            "A", "3", *(draw(st.sampled_from(["", "", "06", "201", "66", "33", "310", "1234", "x"])) for _ in range(12)),
            draw(NUMBER), draw(NUMBER), draw(NUMBER), *draw(st.sampled_from([[], ["1"], ["4"], ["9"], [""], ["44"]])),
        ],
        "GSV": lambda: [
            draw(st.sampled_from("1223")), draw(st.sampled_from("1122")), draw(st.sampled_from(["05", "09", "00", "x", ""])),
            "01", "02", "03", "04",
        ],
        "ZDA": lambda: [
            draw(TIME), draw(st.sampled_from(["23", "22", "", "3", "31"])), "11", draw(st.sampled_from(["2026", "26", "", "0000"])),
            "00", "00",
        ],
        "TXT": lambda: ["01", "01", "02", "hello"],
    }  # fmt: skip
    fields = said[kind]()
    if draw(st.integers(0, 29)) == 0:
        fields = fields[: draw(st.integers(0, len(fields)))]
    return ",".join([draw(TALKERS) + kind, *fields])


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A line that is no sentence, or no whole or sound one."""
    match draw(st.integers(0, 5)):
        case 0:
            return draw(mutated(line(draw(contents()))))
        case 1:
            good = line(draw(contents()))
            return good[: draw(st.integers(0, len(good)))]
        case 2:
            return line(draw(contents())) + line(draw(contents()))
        case 3:
            return b"$" + b"A" * draw(st.sampled_from([90, 300, 1100]))
        case 4:
            return draw(
                st.sampled_from([b"", b" ", b"#", b"$", b"$*00", b" " + line("GNTXT,1"), line("GNTXT,1") + b" "])
            )
        case _:
            return draw(st.binary(max_size=12))


NAMES = st.sampled_from(
    [
        b"$PGONG,A1",
        b"$PGONG,A1",
        line("PGONG,B2"),
        b"$PGONG,",
        b"$PGONG,C 3",
        b"$PGONG,D4,5",
        b"$PGONG,E5*00",
        b"$PGONGX",
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines of a receiver, or of several, as a capture holds them."""
    steady = draw(st.booleans())  # whole epochs in rising time, with little that is odd
    lines: list[bytes] = []
    for number in range(draw(st.integers(0, 8))):
        if steady:
            clock = f"12{number:02d}00.00"
            lines += [
                each.replace(b"TIME", clock.encode())
                if each.startswith(b"$")
                else line(each.decode().replace("TIME", clock))
                for each in draw(st.lists(st.sampled_from(STEADY), min_size=1, max_size=6))
            ]
        for _ in range(draw(st.integers(0, 1 if steady else 4))):
            chance = draw(st.integers(0, 9))
            lines.append(draw(broken() if chance == 0 else NAMES if chance == 1 else contents().map(line)))
    ends = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n"])
    return b"".join(each + draw(ends) for each in lines) + draw(st.sampled_from([b"", b"$GNRMC,12"]))


PLACE = "2307.74978,N,11315.86610,E"
STEADY = [
    f"GNRMC,TIME,A,{PLACE},10.0,90.0,231126,,,A".encode(),
    f"BDRMC,TIME,A,{PLACE},10.0,90.0,231126,,,D".encode(),
    f"GNGGA,TIME,{PLACE},1,09,0.9,11.5,M,,M,,".encode(),
    f"GPGGA,TIME,{PLACE},2,05,0.9,12.5,M,,M,,".encode(),
    b"GNGSA,A,3,06,09,16,,,,,,,,,,1.6,0.8,1.4,4",
    b"BDGSV,2,1,05,01,02,03,04",
    b"BDGSV,2,2,05,01,02,03,04,1",
    b"GPGSV,1,1,11,01,02,03,04",
    b"GNVTG,90.0,T,,M,,N,36.0,K,A",
]
