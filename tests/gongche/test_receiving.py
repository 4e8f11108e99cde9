"""The receivers as the service starts them, by settings, before a real database."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import trustme

from gongche.errors import GongcheError
from gongche.home import Gongche, open_home
from gongche.receiving import receivers
from ingest.jt808 import FrameSplitter, Message, decode, unescape
from ingest.jt808 import encode as enc
from ingest.jt808.header import Header, read_header
from store.commands import ask, await_answer
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from tests.ingest.test_tcp import FIRST, RMC, TERMINAL, until
from tests.ingest.test_udp import Phone
from tests.ports import free_port

NO_PORTS = {"jt808_port": 0, "nmea_port": 0}
Make = Callable[..., Gongche]


@pytest.fixture
def make(conninfo: str, tmp_path: Path) -> Iterator[Make]:
    """Opens a home on a fresh database with a fleet of two terminals."""
    opened = []

    def open_with(**settings: Any) -> Gongche:
        home = open_home(tmp_path, database_url=conninfo, intake_wait_s=0.01, **{**NO_PORTS, **settings})
        gongche = home.__enter__()
        opened.append(home)
        with gongche.database.connection() as conn:
            upsert_units(conn, [Unit("U", "局")])
            upsert_vehicles(conn, [Vehicle("V1", "粤A1", "U"), Vehicle("V2", "粤A2", "U")])
            upsert_terminals(conn, [Terminal(TERMINAL, "V1", "jt808"), Terminal("N7", "V2", "nmea")])
        return gongche

    yield open_with
    for home in opened:
        home.__exit__(None, None, None)


def count(conninfo: str, query: LiteralString) -> int:
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(query).fetchone()
    return row[0] if row else 0


class Caller:
    """A terminal on a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._splitter = FrameSplitter()
        self._came: list[Message] = []

    def say(self, message_id: int, body: bytes = b"", sequence: int = 1) -> None:
        self._writer.write(b"".join(enc.frames(Header(message_id, TERMINAL, sequence), body)))

    async def hear(self) -> Message:
        async with asyncio.timeout(20):
            while not self._came:
                data = await self._reader.read(4096)
                assert data, "the receiver hung up"
                self._came += [decode(each) for each in self._splitter.feed(data) if isinstance(each, bytes)]
        return self._came.pop(0)


@asynccontextmanager
async def calling(port: int, **tls: Any) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def test_a_terminal_is_located_over_tls_and_its_picture_becomes_a_file(
    make: Make, conninfo: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    chain = tmp_path / "chain.pem"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    port, media = free_port(), tmp_path / "media"
    gongche = make(jt808_port=port, tls_certificate=chain, media_dir=media)
    async with receivers(gongche), calling(port, ssl=trusting, server_hostname="localhost") as terminal:
        terminal.say(0x0002)
        assert (await terminal.hear()).facts["answered_message"] == "0x0002"
        with gongche.database.connection() as conn:
            number = ask(conn, TERMINAL, "locate", {}, asked_by=None, wait_s=30)
        asked = await terminal.hear()
        assert asked.header.message_id == 0x8201
        _, position = read_header(unescape(FIRST[1:-1]))
        terminal.say(0x0201, asked.header.sequence.to_bytes(2, "big") + position, sequence=2)
        assert (await terminal.hear()).facts["result"] == "done"
        answered = await asyncio.to_thread(await_answer, gongche.database, number, 20)
        assert answered is not None
        assert answered.answer is not None
        assert (answered.state, answered.answer["position"]["lat"]) == ("done", 23.129163)
        picture = b"\xff\xd8" + bytes(range(256)) * 6
        terminal.say(0x0801, enc.media_body(5, picture, position=position[:28]), sequence=3)
        assert (await terminal.hear()).header.message_id == 0x8800
    (file,) = [each for each in media.rglob("*") if each.is_file()]
    assert file.read_bytes() == picture
    assert count(conninfo, "SELECT count(*) FROM terminal_media WHERE bytes = 1538") == 1
    assert count(conninfo, "SELECT count(*) FROM terminal_state WHERE online") == 0
    assert count(conninfo, "SELECT count(*) FROM position") == 1


async def test_terminals_report_over_udp_and_at_a_port_of_their_own(make: Make, conninfo: str) -> None:
    jt808, nmea, own = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM), free_port()
    gongche = make(jt808_udp_port=jt808, nmea_udp_port=nmea, nmea_terminals={str(own): "N7"})
    async with receivers(gongche):
        loop = asyncio.get_running_loop()
        carrier, phone = await loop.create_datagram_endpoint(Phone, remote_addr=("127.0.0.1", jt808))
        phone.say(FIRST)
        await until(lambda: phone.answers)
        carrier.close()
        _, writer = await asyncio.open_connection("127.0.0.1", own)
        writer.write(RMC)
        writer.close()
        await writer.wait_closed()
        await until(lambda: count(conninfo, "SELECT count(*) FROM position") == 2)
    assert count(conninfo, "SELECT count(*) FROM quarantine") == 0


async def test_what_a_process_left_online_is_offline_when_the_next_one_starts(make: Make, conninfo: str) -> None:
    gongche = make()
    with psycopg.connect(conninfo) as conn:
        conn.execute(
            "INSERT INTO terminal_state (terminal_key, terminal_no, source, online, since, heard_at, receiver)"
            " VALUES ('1', '1', 'jt808', true, now(), now(), 999)"
        )
    async with receivers(gongche):
        assert count(conninfo, "SELECT count(*) FROM terminal_state WHERE online") == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_key": Path("key.pem")}, "setting tls_key: expected tls_certificate beside it"),
        ({"tls_certificate": Path("/nowhere.pem")}, r"setting tls_certificate \(/nowhere.pem\): No such file"),
        ({"tls_certificate": Path(__file__)}, "setting tls_certificate .*test_receiving.py"),
        ({"nmea_terminals": {"port one": "N7"}}, "nmea_terminals: expected an address or a port"),
        ({"media_dir": Path(__file__)}, "media folder .*test_receiving.py"),
    ],
)
async def test_a_wrong_setting_stops_the_start_and_is_named(make: Make, settings: dict[str, Any], said: str) -> None:
    gongche = make(**settings)
    with pytest.raises(Exception, match=said):
        async with receivers(gongche):
            pass


async def test_a_udp_port_in_use_is_named_with_its_setting(make: Make) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        gongche = make(nmea_udp_port=taken.getsockname()[1])
        with pytest.raises(GongcheError, match=r"cannot listen for NMEA on UDP .* \(setting nmea_udp_port\)"):
            async with receivers(gongche):
                pass
