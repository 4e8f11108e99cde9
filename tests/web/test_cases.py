"""Cases on the pages and as JSON: a whole life, who sees what, files, and what is refused with which status."""

import io
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gongche.exporting import read_rows
from store.case_views import EXPORT_COLUMNS
from store.users import add_user
from tests.web.city import DAY, PASSWORD, City
from tests.web.conftest import DISTRICTS, SignedIn, serve
from web.app import create_app
from web.settings import WebSettings

EVIL = "<script>alert(3)</script>"
PDF = b"%PDF-1.7\n" + b"x" * 100
MOST_MB = 1
CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/x" ContentType="{}"/></Types>'
)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
DOCM = "application/vnd.ms-word.document.macroEnabled.main+xml"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, city: City) -> WebSettings:
    """Settings with a folder for files, and a calendar that knows its days whenever the tests are run."""
    with city.database.connection() as conn:
        conn.execute("INSERT INTO duty_calendar (code, name) VALUES ('cases', '')")
        conn.execute(
            """
            INSERT INTO duty_day (calendar, day, kind)
            SELECT 'cases', day, CASE WHEN extract(isodow FROM day) < 6 THEN 'workday' ELSE 'weekend' END
            FROM generate_series(%s::date, %s::date, interval '1 day') day
            """,
            (DAY, DAY + timedelta(days=90)),
        )
        add_user(conn, "second", "inspector", PASSWORD)
        add_user(conn, "novice", "inspector", PASSWORD, sees_cases="assigned")
    folder = tmp_path_factory.mktemp("cases") / "files"
    return WebSettings(
        districts_path=DISTRICTS, case_files_dir=folder, attachment_max_mb=MOST_MB, case_calendar="cases"
    )


@pytest.fixture(scope="module")
def address(settings: WebSettings, city: City) -> Iterator[str]:
    """Where the pages are served to all tests of this module."""
    with serve(create_app(settings, city.database)) as url:
        yield url


@pytest.fixture(scope="module")
def signed_in(address: str) -> Iterator[SignedIn]:
    """A function: name → client signed in once for all tests of this module."""
    clients: dict[str, httpx.Client] = {}

    def enter(name: str) -> httpx.Client:
        if name not in clients:
            client = clients[name] = httpx.Client(base_url=address, headers={"accept-language": "en"})
            answer = client.post("/sign-in", data={"name": name, "password": PASSWORD}, headers={"origin": address})
            assert answer.status_code == 303, answer.text
        return clients[name]

    yield enter
    for client in clients.values():
        client.close()


@pytest.fixture
def flags(city: City, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Two further flags of V1 and one of V2, of this test alone."""
    ids = [f"private-use-no-order:{request.node.name}-{number}" for number in range(3)]
    with city.database.connection() as conn:
        for flag_id, code in zip(ids, ("V1", "V1", "V2"), strict=True):
            conn.execute(
                """
                INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day,
                                  start_time, end_time, points, reason_zh, reason_en, numbers)
                SELECT %s, rule, rule_version, 'yellow', subject, %s, trip_id, vehicle_id, '2026-03-02', start_time, end_time,
                       points, reason_zh, reason_en, numbers FROM flag WHERE flag_id = %s
                """,
                (flag_id, flag_id, f"private-use-no-order:{city.trip_ids[code]}"),
            )
    yield ids
    with city.database.connection() as conn:
        conn.execute("UPDATE flag SET withdrawn_at = now() WHERE flag_id = ANY(%s)", (ids,))


def send(client: httpx.Client, path: str, body: object) -> httpx.Response:
    return client.post(path, json=body, headers={"origin": str(client.base_url).rstrip("/")})


def form(client: httpx.Client, path: str, data: dict[str, Any]) -> httpx.Response:
    return client.post(path, data=data, headers={"origin": str(client.base_url).rstrip("/")})


def upload(client: httpx.Client, number: int, name: str, content: bytes) -> httpx.Response:
    origin = {"origin": str(client.base_url).rstrip("/")}
    return client.post(f"/cases/{number}/files", files={"file": (name, content)}, headers=origin)


def opened(client: httpx.Client, *flags: str) -> int:
    answer = send(client, "/api/cases", {"flags": list(flags)})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["case_id"])


def steps(client: httpx.Client, number: int, *taken: tuple[str, dict[str, Any]]) -> None:
    for action, said in taken:
        answer = send(client, f"/api/cases/{number}/{action}", said)
        assert answer.status_code == 200, answer.text


def last_log(city: City, count: int = 1) -> list[tuple[Any, ...]]:
    with city.database.connection() as conn:
        return conn.execute(
            "SELECT name, kind, action, subject FROM log_entry LEFT JOIN app_user USING (user_id) ORDER BY entry_id DESC LIMIT %s",
            (count,),
        ).fetchall()


def test_a_case_lives_from_its_flags_to_its_closing_through_the_api(
    city: City, signed_in: SignedIn, flags: list[str]
) -> None:
    inspector, manager = signed_in("inspector"), signed_in("manager")
    number = opened(inspector, *flags[:2])
    assert last_log(city) == [("inspector", "decision", "case open", str(number))]
    path = f"/api/cases/{number}"
    steps(inspector, number, ("ask", {"reason": "why?", "expected": "assigned"}))
    assert inspector.get(path).json()["clock"] == "explain"
    assert manager.get(path).json()["actions"] == ["explain", "attach"]
    steps(manager, number, ("explain", {"reason": "an errand"}))
    steps(
        inspector,
        number,
        ("confirm", {"reason": "no errand"}),
        ("deal", {"persons": 1, "measure": "a talk", "recovered_yuan": 386.5}),
        ("rectify", {"reason": "keys are kept by the office"}),
        ("close", {"expected": "rectified"}),
    )
    case = inspector.get(path).json()
    assert [case[name] for name in ("state", "verdict", "clock", "deadline", "actions")] == [
        "closed", "confirmed", None, None, ["comment"],
    ]  # fmt: skip
    assert [each["to_state"] for each in case["events"]] == [
        "flagged", "assigned", "explanation_asked", "explained", "confirmed", "dealt_with", "rectified", "closed",
    ]  # fmt: skip
    assert last_log(city, 2)[1] == ("inspector", "decision", "case close", str(number)), "the look comes after"
    with city.database.connection() as conn:
        facts = conn.execute(
            "SELECT facts FROM log_entry WHERE action = 'case deal' AND subject = %s", (str(number),)
        ).fetchone()
        assert facts == (
            {"plate": "粤A10001", "persons": 1, "measure": "a talk", "recovered_yuan": "386.50", "to": "dealt_with"},
        )
        today = conn.execute("SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01'").fetchone()
        assert today is not None
        rows = read_rows(conn, "cases", today[0] - 1, today[0], "U1").set_index("case_id")
        assert number not in set(read_rows(conn, "cases", today[0] - 1, today[0], "U2")["case_id"])
        verdicts = conn.execute("SELECT verdict, reason FROM flag_verdict WHERE flag_id = ANY(%s)", (flags,)).fetchall()
    assert verdicts == [("confirmed", "no errand")] * 2
    assert list(rows.columns) == list(EXPORT_COLUMNS[1:])
    row = rows.loc[number]
    assert (row.vehicle, row.state, row.verdict, row.reason) == ("V1", "closed", "confirmed", "no errand")
    assert (row.persons, row.measure, row.recovered_yuan, row["flags"]) == (1, "a talk", 386.5, sorted(flags[:2]))
    assert row.closed_at >= row.decided_at >= row.opened_at


def test_opening_from_a_form_leads_to_the_case_and_lists_name_it(
    city: City, signed_in: SignedIn, flags: list[str]
) -> None:
    inspector = signed_in("inspector")
    answer = form(inspector, "/cases", {"flag": flags[:2], "reason": EVIL})
    number = int(answer.headers["location"].rpartition("/")[2])
    page = inspector.get(f"/cases/{number}").text
    assert EVIL not in page
    assert "&lt;script&gt;alert(3)" in page
    assert last_log(city) == [("inspector", "access", "case", str(number))]
    assert f"in case {number}" in inspector.get("/flags?from_day=2026-03-02&to_day=2026-03-02").text
    assert f'href="/cases/{number}"' in inspector.get("/cases?inspector=inspector").text
    assert f'href="/cases/{number}"' not in inspector.get("/cases?inspector=second").text
    assert f'href="/cases/{number}"' not in inspector.get("/cases?state=closed").text
    assert form(signed_in("manager"), "/cases", {"flag": flags[:1]}).status_code == 403


@pytest.mark.parametrize(
    ("chosen", "status", "said"),
    [
        ([], 400, "expected 1 to 500"),
        (["no-such-flag"], 404, "no such flag"),
        ([0, 2], 400, "of one vehicle"),
        (["x" * 201], 400, "flags"),
    ],
)
def test_flags_that_no_case_can_take_are_named(
    signed_in: SignedIn, flags: list[str], chosen: list[int | str], status: int, said: str
) -> None:
    asked = [flags[each] if isinstance(each, int) else each for each in chosen]
    answer = send(signed_in("inspector"), "/api/cases", {"flags": asked})
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (status, True), answer.text


def test_a_flag_is_in_one_open_case_and_what_was_decided_is_only_opened_again(
    signed_in: SignedIn, flags: list[str]
) -> None:
    inspector, second = signed_in("inspector"), signed_in("second")
    number = opened(inspector, flags[0])
    answer = send(second, "/api/cases", {"flags": flags[:1]})
    assert (answer.status_code, f"in case {number}" in answer.text) == (409, True)
    steps(inspector, number, ("dismiss", {"reason": "drift"}), ("close", {}))
    answer = send(second, "/api/cases", {"flags": flags[:1]})
    assert (answer.status_code, "re-open that case" in answer.text) == (409, True)
    assert send(inspector, f"/api/cases/{number}/reopen", {"reason": "I erred"}).status_code == 403
    steps(second, number, ("reopen", {"reason": "no drift"}))
    assert second.get(f"/api/cases/{number}").json()["assigned"] == "second"


def test_the_second_of_two_who_step_at_once_hears_that_it_was_done(signed_in: SignedIn, flags: list[str]) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    steps(inspector, number, ("ask", {"reason": "why?", "expected": "assigned"}))
    answer = send(inspector, f"/api/cases/{number}/dismiss", {"reason": "drift", "expected": "assigned"})
    assert answer.status_code == 409
    assert "somebody made explanation_asked meanwhile" in answer.json()["error"]["message"]
    assert form(inspector, f"/cases/{number}/dismiss", {"reason": "drift"}).status_code == 400, (
        "a form says what it saw"
    )


@pytest.mark.parametrize(
    ("action", "said", "status", "message"),
    [
        ("ask", {}, 400, "reason: expected a text"),
        ("ask", {"reason": " "}, 400, "reason: expected a text"),
        ("ask", {"reason": "x" * 4001}, 400, "reason"),
        ("fly", {}, 400, "action: expected one of assign"),
        ("attach", {}, 400, "sent to /files"),
        ("give_up", {"flags": ["x"]}, 400, "only follows"),
        ("merge", {"flags": []}, 400, "flags: expected at least one"),
        ("merge", {"flags": ["no-such"]}, 404, "no such flag"),
        ("hand_over", {"inspector": "manager"}, 404, "name of an inspector"),
        ("hand_over", {"inspector": "inspector"}, 409, "already"),
        ("ask", {"reason": "x", "mood": "y"}, 400, "mood"),
    ],
)
def test_what_is_wrong_with_a_step_is_told(
    signed_in: SignedIn, flags: list[str], action: str, said: dict[str, Any], status: int, message: str
) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    answer = send(inspector, f"/api/cases/{number}/{action}", said)
    assert (answer.status_code, set(answer.json()["error"])) == (status, {"code", "message"})
    assert message in answer.json()["error"]["message"]
    assert len(inspector.get(f"/api/cases/{number}").json()["events"]) == 2


def test_the_page_has_the_forms_of_what_one_may_do(signed_in: SignedIn, flags: list[str]) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    steps(inspector, number, ("ask", {"reason": "why?"}), ("comment", {"reason": "his neighbour told us"}))
    steps(inspector, number, ("hand_over", {"inspector": "second", "reason": "I am a neighbour"}))
    steps(signed_in("second"), number, ("hand_over", {"inspector": "inspector"}))

    def actions(role: str) -> set[str]:
        text = signed_in(role).get(f"/cases/{number}").text
        found = {each.partition('"')[0] for each in text.split(f'action="/cases/{number}/')[1:]}
        assert ("neighbour" in text) == (role != "manager"), "what inspectors note is not the unit's"
        return found

    assert actions("inspector") == {"hand_over", "dismiss", "merge", "comment", "files"}
    assert actions("second") == {"comment", "files"}
    assert actions("manager") == {"explain", "files"}
    assert actions("auditor") == set()
    assert actions("admin") == {"hand_over", "merge"}
    assert "neighbour" not in json.dumps(signed_in("manager").get(f"/api/cases/{number}").json())


def test_an_inspector_of_own_cases_sees_no_other(signed_in: SignedIn, flags: list[str]) -> None:
    inspector, novice = signed_in("inspector"), signed_in("novice")
    number = opened(inspector, flags[0])
    for path in (f"/cases/{number}", f"/api/cases/{number}"):
        assert novice.get(path).status_code == 404
    listed = {each["case_id"] for each in novice.get("/api/cases?state=").json()["cases"]}
    assert number not in listed
    assert f"in case {number}" not in novice.get("/flags?from_day=2026-03-02&to_day=2026-03-02").text
    assert send(novice, f"/api/cases/{number}/comment", {"reason": "x"}).status_code == 404
    assert upload(novice, number, "x.pdf", PDF).status_code == 404
    steps(inspector, number, ("hand_over", {"inspector": "novice"}))
    assert novice.get(f"/cases/{number}").status_code == 200
    assert number in {each["case_id"] for each in novice.get("/api/cases").json()["cases"]}
    assert send(inspector, f"/api/cases/{number}/dismiss", {"reason": "x"}).status_code == 403


def test_flags_move_from_case_to_case_and_an_emptied_one_is_closed(
    city: City, signed_in: SignedIn, flags: list[str]
) -> None:
    inspector, second = signed_in("inspector"), signed_in("second")
    one, other = opened(inspector, flags[0]), opened(inspector, flags[1])
    assert send(second, f"/api/cases/{one}/merge", {"flags": flags[1:2]}).status_code == 403
    assert send(inspector, f"/api/cases/{one}/merge", {"flags": flags[2:]}).status_code == 400, "of another vehicle"
    theirs = opened(second, flags[2])
    assert send(inspector, f"/api/cases/{one}/merge", {"flags": flags[1:]}).status_code == 403, "of another inspector"
    assert second.get(f"/api/cases/{theirs}").json()["state"] == "assigned"
    steps(inspector, one, ("merge", {"flags": flags[1:2], "reason": "one outing"}))
    emptied, taker = (inspector.get(f"/api/cases/{number}").json() for number in (other, one))
    assert (emptied["state"], emptied["flags"], emptied["events"][-1]["facts"]) == (
        "closed", [], {"flags": flags[1:2], "given_to": one},
    )  # fmt: skip
    assert {each["flag_id"] for each in taker["flags"]} == set(flags[:2])
    assert taker["events"][-1]["action"] == "merge"
    assert send(second, f"/api/cases/{other}/reopen", {"reason": "x"}).status_code == 409, "nothing was decided in it"
    assert ("inspector", "decision", "case merge", str(one)) in last_log(city, 8)


def test_a_form_from_another_site_changes_nothing(signed_in: SignedIn, flags: list[str]) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    for path in ("/cases", f"/cases/{number}/ask", f"/cases/{number}/files"):
        for prefix in ("", "/api"):
            assert inspector.post(prefix + path, headers={"origin": "https://evil.example"}).status_code == 403, path
            assert inspector.post(prefix + path).status_code == 403, path


def test_without_signing_in_nothing_is_done(visitor: httpx.Client) -> None:
    for path in ("/cases", "/cases/1/ask", "/cases/1/files"):
        assert form(visitor, path, {}).headers["location"].startswith("/sign-in")
        assert send(visitor, f"/api{path}", {}).status_code == 401


def office(main: str, *more: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES.format(main))
        for name in more:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("证据 1.pdf", PDF, "application/pdf"),
        ("a.png", b"\x89PNG\r\n\x1a\n....", "image/png"),
        ("a.JPG", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        ("a.docx", office(DOCX), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("表.csv", "车,公里\n粤A1,3\n".encode(), "text/csv"),
    ],
)
def test_a_file_is_kept_by_its_hash_and_sent_to_be_saved(
    city: City, settings: WebSettings, signed_in: SignedIn, flags: list[str], name: str, content: bytes, media_type: str
) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    assert upload(inspector, number, f"C:\\temp\\{name}", content).status_code == 303
    (file,) = inspector.get(f"/api/cases/{number}").json()["files"]
    assert (file["name"], file["media_type"], file["size"]) == (name, media_type, len(content))
    assert settings.case_files_dir is not None
    assert (settings.case_files_dir / str(number) / file["sha256"]).read_bytes() == content
    answer = inspector.get(f"/cases/{number}/files/{file['evidence_id']}")
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert last_log(city) == [("inspector", "access", "case file", str(number))]
    assert upload(inspector, number, name, content).status_code == 409, "it is there already"
    assert signed_in("manager").get(f"/cases/{number}/files/{file['evidence_id']}").status_code == 404
    (settings.case_files_dir / str(number) / file["sha256"]).unlink()
    assert inspector.get(f"/cases/{number}/files/{file['evidence_id']}").status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("a.html", b"<script>alert(1)</script>", 400),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400),
        ("a.pdf", b"<script>alert(1)</script>", 400),
        ("a.html", PDF, 400),
        ("a.txt", b"MZ\x90\x00", 400),
        ("a.txt", "粤".encode()[:2], 400),
        ("a.docx", office(DOCM), 400),
        ("a.docx", office(DOCX, "word/vbaProject.bin"), 400),
        ("a.docx", office(DOCX)[:-30], 400),
        ("a.xlsx", office(DOCX), 400),
        ("a.zip", office(DOCX), 400),
        ("a.pdf", b"", 400),
        ("...", PDF, 400),
        ("a.pdf", PDF + b"x" * 1_000_000, 400),
        ("a.pdf", PDF + b"x" * 2_000_000, 413),
    ],
)
def test_a_file_of_another_kind_or_size_is_refused_and_leaves_nothing(
    settings: WebSettings, signed_in: SignedIn, flags: list[str], name: str, content: bytes, status: int
) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    answer = upload(inspector, number, name, content)
    assert answer.status_code == status, answer.text
    assert settings.case_files_dir is not None
    assert not (settings.case_files_dir / str(number)).exists()
    assert inspector.get(f"/api/cases/{number}").json()["files"] == []


def test_an_upload_that_is_no_form_or_not_ones_own_is_refused_before_it_is_read(
    signed_in: SignedIn, flags: list[str]
) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    assert upload(signed_in("auditor"), number, "a.pdf", PDF).status_code == 403
    assert upload(signed_in("manager"), number, "a.pdf", PDF).status_code == 403, "nothing was asked of the unit yet"
    for path in (f"/cases/{number}/files", f"/api/cases/{number}/files"):
        assert form(inspector, path, {"file": "x"}).status_code == 400
        assert send(inspector, path, {"file": "x"}).status_code == 400
    steps(inspector, number, ("ask", {"reason": "why?"}))
    assert upload(signed_in("manager"), number, "letter.pdf", PDF).status_code == 303
    assert [each["name"] for each in signed_in("manager").get(f"/api/cases/{number}").json()["files"]] == ["letter.pdf"]


def test_an_upload_torn_off_leaves_nothing(settings: WebSettings, signed_in: SignedIn, flags: list[str]) -> None:
    inspector = signed_in("inspector")
    number = opened(inspector, flags[0])
    host, port = inspector.base_url.host, inspector.base_url.port
    assert port is not None
    head = (
        f"POST /cases/{number}/files HTTP/1.1\r\nhost: {host}:{port}\r\norigin: http://{host}:{port}\r\n"
        f"cookie: session={inspector.cookies['session']}\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        "content-length: 500000\r\n\r\n"
        '--b\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    )
    with socket.create_connection((host, port)) as torn:
        torn.sendall(head.encode() + PDF * 1000)
    assert upload(inspector, number, "b.pdf", PDF).status_code == 303, "the next one is taken"
    assert settings.case_files_dir is not None
    assert len(list((settings.case_files_dir / str(number)).iterdir())) == 1
    assert [each["name"] for each in inspector.get(f"/api/cases/{number}").json()["files"]] == ["b.pdf"]


def test_a_day_that_the_calendar_does_not_know_is_told_with_what_to_do(
    city: City, settings: WebSettings, signed_in: SignedIn, flags: list[str]
) -> None:
    with city.database.connection() as conn:
        conn.execute(
            "UPDATE duty_day SET calendar = 'office' WHERE calendar = 'cases' AND day > %s", (DAY + timedelta(days=3),)
        )
    try:
        answer = send(signed_in("inspector"), "/api/cases", {"flags": flags[:1]})
        page = form(signed_in("inspector"), "/cases", {"flag": flags[0]})
    finally:
        with city.database.connection() as conn:
            conn.execute("UPDATE duty_day SET calendar = 'cases' WHERE calendar = 'office' AND day > %s", (DAY,))
    assert (settings.case_calendar, answer.status_code) == ("cases", 409)
    assert "fill the year on the page of duty calendar 'cases'" in answer.json()["error"]["message"]
    assert "fills the year on the page of the duty calendar" in page.text
    assert "fill the year on the page of duty calendar &#39;cases&#39;" in page.text


def test_the_first_page_leads_to_what_waits(city: City, signed_in: SignedIn, flags: list[str]) -> None:
    def tile(name: str, href: str) -> int:
        found = re.search(rf'href="{re.escape(href)}"><span>[^<]+</span><b>([0-9]+)</b>', signed_in(name).get("/").text)
        assert found, href
        return int(found[1])

    own, late, asked = (
        "/cases?inspector=second",
        "/cases?inspector=second&amp;overdue=true",
        "/cases?state=explanation_asked",
    )
    before = tile("second", own), tile("second", late), tile("manager", asked)
    orders = [tile(name, "/orders") for name in ("manager", "admin")]
    number = opened(signed_in("second"), flags[0])
    assert (tile("second", own), tile("second", late), tile("manager", asked)) == (before[0] + 1, before[1], before[2])
    steps(signed_in("second"), number, ("ask", {"reason": "why?"}))
    with city.database.connection() as conn:
        conn.execute("UPDATE case_file SET deadline = now() - interval '1 hour' WHERE case_id = %s", (number,))
    assert (tile("second", own), tile("second", late), tile("manager", asked)) == tuple(each + 1 for each in before)
    assert [tile(name, "/orders") for name in ("manager", "admin")] == orders
    assert "Waits for you" not in signed_in("auditor").get("/").text
