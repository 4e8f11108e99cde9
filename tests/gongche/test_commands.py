"""The command as its contract says: what it prints, how it exits, what it does with bad input."""

import io
import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import geopandas
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from gongche.__main__ import COMMANDS, app
from tests.gongche.conftest import COMMAND, DAYS, FIRST, LAST, VEHICLES, Run, clean_environment, result

TRIP_COLUMNS = """
trip_id vehicle plate unit start_time end_time start_lat start_lon end_lat end_lon distance_m distance_low_m
distance_high_m odometer_m duration_s moving_s max_speed_mps off_hours_s off_hours_m out_of_area_s out_of_area_m
dispatch_order origin_place destination_place private_score
""".split()  # noqa: SIM905 - the contract's own list, as it stands there
PERIOD = ("--from", FIRST, "--to", LAST)


def test_every_sub_command_has_help_with_an_example(gongche: Run) -> None:
    listed = gongche("--help").stdout
    assert [name for name in COMMANDS if f" {name} " not in listed] == []
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    for name in COMMANDS:
        _, command, _ = root.resolve_command(typer.Context(root), [name])
        below = command.commands.items() if isinstance(command, typer.core.TyperGroup) else ()
        for path in [[name, inner] for inner, _ in below] or [[name]]:
            done = CliRunner().invoke(app, [*path, "--help"])
            assert (path, done.exit_code) == (path, 0)
            assert "Example: " in done.stdout, path


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("audit",),
        ("export", "wheels"),
        ("decode", "--protocol", "can"),
        ("decode", "--protocol", "jt808", "--dialect", "klingon"),
    ],
)
def test_wrong_use_exits_with_2(gongche: Run, arguments: tuple[str, ...]) -> None:
    done = gongche(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_decode_prints_one_object_a_line_and_exits_with_1_when_one_was_bad(gongche: Run) -> None:
    frames = "7e000200000139123456787d027d01317e\n7e00020000013912345678000e3d7e\n"
    done = gongche("decode", "--protocol", "jt808", text_in=frames)
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert (good["ok"], good["message"], good["terminal"], good["sequence"]) == (True, "0x0002", "013912345678", 0x7E7D)
    assert (bad["ok"], bad["error"]) == (False, "checksum: expected 0x3c, got 0x3d")
    assert done.returncode == 1


def test_import_accounts_for_every_row(audited_home: Path, city: Path) -> None:
    counts = json.loads((audited_home / "import.json").read_text())
    assert counts["received"] == len(pd.read_parquet(city / "positions.parquet", columns=["vehicle"]))
    assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]
    assert counts["duplicate"] > 0


def test_audit_counts_vehicles_positions_and_speed(audited_home: Path) -> None:
    facts = json.loads((audited_home / "audit.json").read_text())
    assert facts["vehicles"] == VEHICLES
    assert facts["trips"] > VEHICLES * DAYS
    assert facts["flags"] > 0
    assert facts["positions_per_s"] > 0


def test_an_order_that_overlaps_is_told_by_line_and_the_rest_is_taken(in_city: Run, tmp_path: Path) -> None:
    table = tmp_path / "orders.csv"
    rows = ("A,V0001,2030-01-01T08:00,2030-01-01T10:00", "B,V0001,2030-01-01T09:00,2030-01-01T11:00")
    table.write_text("\n".join(["order_no,vehicle,starts,ends", *rows]), encoding="utf-8")
    done = in_city("import", str(table), "--format", "orders", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"rows": {"orders.csv": 1}}
    assert "orders.csv:3: order B: expected no other order of V0001 from 2030-01-01T09:00:00+08:00" in done.stderr
    assert "1 rows were refused, the others taken" in done.stderr


def test_importing_twice_changes_nothing(in_city: Run, city: Path) -> None:
    counts = result(in_city("import", str(city), "--json"))
    assert counts["accepted"] == 0
    assert counts["duplicate"] == counts["received"]
    assert result(in_city("store", "status", "--json"))["open_vehicle_days"] == 0


def test_trips_found_are_the_trips_driven(in_city: Run, city: Path) -> None:
    """F1 at interval overlap ≥ 0.8 is 0.95 and more on degraded positions, the project's own target."""
    found = pd.read_csv(io.StringIO(in_city("export", "trips", *PERIOD).stdout), parse_dates=["start_time", "end_time"])
    assert list(found.columns) == TRIP_COLUMNS
    truth = pd.read_parquet(city / "trips.parquet")
    hits = 0
    for vehicle, driven in truth.groupby("vehicle"):
        mine = found[found["vehicle"] == vehicle]
        for _, trip in driven.iterrows():
            shared = mine["end_time"].clip(upper=trip["end_time"]) - mine["start_time"].clip(lower=trip["start_time"])
            whole = mine["end_time"].clip(lower=trip["end_time"]) - mine["start_time"].clip(upper=trip["start_time"])
            hits += bool(((shared / whole) >= 0.8).any())
    assert 2 * hits / (len(found) + len(truth)) >= 0.95


def test_vehicle_days_hold_the_metres_driven(in_city: Run, city: Path) -> None:
    days = pd.read_csv(io.StringIO(in_city("export", "vehicle-days", *PERIOD).stdout))
    truth = pd.read_parquet(city / "vehicle_days.parquet")
    assert days["distance_m"].sum() == pytest.approx(truth["distance_m"].sum(), rel=0.03)


@pytest.mark.parametrize("what", ["positions", "trips", "stops", "vehicle-days", "unit-months", "city-months", "flags"])
def test_every_table_comes_as_json_with_offsets(in_city: Run, what: str) -> None:
    rows = result(
        in_city("export", what, "--from", FIRST, "--to", FIRST if what == "positions" else LAST, "--format", "json")
    )
    assert rows
    times = [value for name, value in rows[0].items() if name in {"time", "start_time", "end_time"}]
    assert all(value.endswith("+08:00") for value in times)


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "xlsx", "gpx", "geojson"])
def test_trips_come_in_every_form(in_city: Run, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"trips.{form}"
    done = in_city("export", "trips", "--from", FIRST, "--to", FIRST, "--format", form, "--out", str(path))
    assert done.returncode == 0, done.stderr
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        "csv": pd.read_csv,
        "json": pd.read_json,
        "parquet": pd.read_parquet,
        "xlsx": pd.read_excel,
    }
    if form == "gpx":
        assert len(geopandas.read_file(path, layer="tracks")) > 10
    elif form == "geojson":
        trips = geopandas.read_file(path)
        assert set(trips.geom_type) == {"LineString"}
        assert trips.union_all().bounds[0] > 112
    else:
        assert readers[form](path)["trip_id"].is_unique


def test_a_form_that_cannot_hold_the_rows_is_refused(in_city: Run) -> None:
    done = in_city("export", "vehicle-days", *PERIOD, "--format", "gpx")
    assert done.returncode == 2
    assert "choose csv" in done.stderr


def test_a_unit_limits_rows_to_its_subtree(in_city: Run) -> None:
    units = {row["unit"] for row in result(in_city("export", "trips", *PERIOD, "--unit", "U001", "--format", "json"))}
    everything = {
        row["unit"] for row in result(in_city("export", "trips", *PERIOD, "--unit", "GZ", "--format", "json"))
    }
    assert units == {"U001"}
    assert len(everything) > 2
    assert in_city("export", "trips", *PERIOD, "--unit", "nowhere").returncode == 2


def test_flags_name_their_numbers_and_thresholds(in_city: Run, city: Path) -> None:
    flags = pd.DataFrame(result(in_city("export", "flags", *PERIOD, "--format", "json")))
    misuse = pd.read_parquet(city / "misuse.parquet")
    assert {"off-hours-no-order", "out-of-area-no-order", "private-use-no-order"} <= set(flags["rule"])
    red = flags[flags["level"] == "red"]
    assert red["vehicle"].isin(misuse["vehicle"]).mean() >= 0.8
    numbers = json.loads(flags["numbers"][0])
    assert {"feature", "value", "operator", "threshold", "unit", "margin"} == set(numbers[0])


def test_auditing_again_raises_no_new_flags(in_city: Run) -> None:
    before = result(in_city("export", "flags", *PERIOD, "--format", "json"))
    again = result(in_city("audit", *PERIOD, "--json"))
    assert again["new_flags"] == 0
    assert result(in_city("export", "flags", *PERIOD, "--format", "json")) == before


def test_auditing_one_day_gives_the_trips_that_the_whole_period_gave(in_city: Run) -> None:
    one_day = ("--from", "2026-03-04", "--to", "2026-03-04")
    before = in_city("export", "trips", *PERIOD).stdout
    assert in_city("audit", *one_day).returncode == 0
    assert in_city("export", "trips", *PERIOD).stdout == before


def test_verify_finds_a_changed_byte(in_city: Run, audited_home: Path) -> None:
    assert in_city("verify").returncode == 0
    part = min((audited_home / "archive" / "positions").glob("day=*/*.parquet"))
    whole = part.read_bytes()
    try:
        part.write_bytes(whole[:900] + bytes([whole[900] ^ 1]) + whole[901:])
        done = in_city("verify")
    finally:
        part.write_bytes(whole)
    assert done.returncode == 1
    assert part.name in done.stdout
    assert in_city("verify").returncode == 0


def test_a_day_that_is_not_over_is_not_sealed(in_city: Run) -> None:
    done = in_city("store", "seal", "--before", "2999-01-01")
    assert (done.returncode, done.stdout) == (2, "")


def test_rules_are_listed_shown_and_checked(gongche: Run, tmp_path: Path) -> None:
    rules = result(gongche("rules", "list", "--json"))
    assert {"off-hours-no-order", "out-of-area-no-order", "private-use-no-order"} <= {rule["id"] for rule in rules}
    assert "Off-hours time ≥ 15 min" in gongche("rules", "show", "off-hours-no-order").stdout
    bad = tmp_path / "bad.toml"
    bad.write_text('id = "Bad"\nlevel = "pink"\n[on.trip]\nwheels = { ge = 4 }\n')
    done = gongche("rules", "check", str(bad))
    assert done.returncode == 1
    assert f"{bad}:2: level: expected one of prompt, yellow, red, got 'pink'" in done.stdout
    assert f"{bad}:4: on.trip: no feature is called 'wheels'" in done.stdout


def test_a_wrong_setting_is_one_line_and_exit_1(gongche: Run, reachable_tmp: Path) -> None:
    home = reachable_tmp / "home"
    home.mkdir()
    (home / "gongche.toml").write_text("web_port = 99999\n")
    done = gongche("store", "status")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "setting web_port" in done.stderr


def test_an_unreachable_database_is_one_line_without_its_password(gongche: Run, reachable_tmp: Path) -> None:
    home = reachable_tmp / "home"
    home.mkdir()
    (home / "gongche.toml").write_text('database_url = "postgresql://gongche:hunter2@127.0.0.1:1/gongche"\n')
    done = gongche("store", "status")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:1/gongche" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("arguments", [("demo", "--port"), ("serve",)])
def test_a_port_in_use_is_one_line_and_exit_1(reachable_tmp: Path, arguments: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        home = reachable_tmp / "home"
        home.mkdir()
        (home / "gongche.toml").write_text(f"web_port = {port}\n")
        done = subprocess.run(
            [COMMAND, *arguments, *([port] if arguments[-1] == "--port" else [])],
            env=clean_environment(home),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_made_is_one_line(gongche: Run, reachable_tmp: Path) -> None:
    (reachable_tmp / "home").write_text("a file where the folder should be")
    done = gongche("store", "status")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(reachable_tmp / "home") in done.stderr


def test_a_file_nobody_can_read_is_named(in_city: Run, tmp_path: Path) -> None:
    strange = tmp_path / "strange.bin"
    strange.write_bytes(b"\x00\x01\x02")
    done = in_city("import", str(strange))
    assert done.returncode == 1
    assert "strange.bin" in done.stderr
    assert "Traceback" not in done.stderr
    assert "no such file" in in_city("import", str(tmp_path / "missing.csv")).stderr


def test_a_manager_needs_a_unit_and_a_password_its_length(in_city: Run) -> None:
    assert in_city("user", "add", "li", "--role", "manager", text_in="long enough\n").returncode == 2
    short = in_city("user", "add", "wang", "--role", "inspector", text_in="short\n")
    assert "expected at least 10 characters, got 5" in short.stderr
    assert in_city("user", "add", "wang", "--role", "inspector", text_in="long enough\n").returncode == 0
    assert (
        "there is one of this name" in in_city("user", "add", "wang", "--role", "admin", text_in="long enough\n").stderr
    )
