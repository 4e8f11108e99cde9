"""A rule tried on past days finds what evaluating it from scratch finds, and says what becomes of the flags that stand."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg import Connection
from typer.testing import CliRunner, Result

from benchmarks.whatif import FIRST_DAY, the_rule, trips
from geo.localtime import day_date
from gongche import whatif
from gongche.commands import rules_command
from gongche.errors import GongcheError, WrongUseError
from gongche.home import Gongche
from gongche.settings import load_settings
from gongche.whatif import Trials, rule_of
from gongche.whatif_words import SHOWN, facts_of
from rules.condition import Test
from rules.evaluate import evaluate
from rules.load import Rule
from rules.whatif import CHANGES, WhatIf
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.derived import STOP_COLUMNS, VEHICLE_DAY_COLUMNS, raise_flags, replace_derived
from store.feature_files import FeatureFiles
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.postgres import EmbeddedPostgres
from store.rule_versions import RuleText, remember_rules

DAYS = 3
LAST_DAY = FIRST_DAY + DAYS - 1
VEHICLES = 30


@dataclass(frozen=True, slots=True)
class World:
    """Trips of three days, the flags a rule raised on them, and what tries rules on them."""

    database: Database
    trials: Trials
    trips: pd.DataFrame
    units: dict[int, str]  # vehicle_id → its unit
    rule: Rule


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE whatif_world TEMPLATE template_gongche STRATEGY wal_log")
    conninfo = psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="whatif_world")
    with Database.open(conninfo, pool_size=2) as database:
        yield made(database, tmp_path_factory.mktemp("features"))


def made(database: Database, folder: Path) -> World:
    rule = replace(the_rule(), tests=(Test("off_hours_s", "ge", 900), Test("dispatch_order", "missing", True)))
    with database.connection() as conn:
        upsert_units(conn, [Unit("A", "甲"), Unit("A1", "甲一", parent="A"), Unit("B", "乙")])
        upsert_vehicles(conn, [Vehicle(f"V{n:02}", f"粤A{n:05}", ("A", "A1", "B")[n % 3]) for n in range(VEHICLES)])
        units = {each.vehicle_id: each.unit for each in load_vehicles(conn)}
        ids = np.array(sorted(units), dtype=np.int32)
        rng = np.random.default_rng(7)
        table = pd.concat([trips(ids, day, rng) for day in range(FIRST_DAY, LAST_DAY + 1)], ignore_index=True)
        stops, days = (pd.DataFrame(columns=list(names)) for names in (STOP_COLUMNS, VEHICLE_DAY_COLUMNS))
        replace_derived(conn, ids, FIRST_DAY, LAST_DAY, trips=table, stops=stops, vehicle_days=days)
        remember_rules(conn, [RuleText(rule.rule_id, rule.version, rule.text)])
        flags = evaluate([rule], {"trip": table})
        raise_flags(conn, ids, FIRST_DAY, LAST_DAY, flags.assign(vehicle_id=ids[flags["vehicle_ix"]]))
        conn.execute("INSERT INTO app_user (name, password_hash, role) VALUES ('i', '', 'inspector')")
        decide(conn, sorted(flags["flag_id"])[:3])
    return World(database, Trials(database, FeatureFiles(folder)), table, units, rule)


def decide(conn: Connection[Any], flag_ids: list[str]) -> None:
    """A case of each flag, confirmed, dismissed, confirmed."""
    for number, (flag_id, verdict) in enumerate(zip(flag_ids, ("confirmed", "dismissed", "confirmed"), strict=True), 1):
        conn.execute(
            """
            INSERT INTO case_file (vehicle_id, state, assigned_to)
            SELECT vehicle_id, %s, user_id FROM flag, app_user WHERE flag_id = %s
            """,
            (verdict, flag_id),
        )
        conn.execute("INSERT INTO case_flag (case_id, flag_id) VALUES (%s, %s)", (number, flag_id))
        conn.execute(
            "INSERT INTO case_event (case_id, from_state, to_state, reason) VALUES (%s, 'explained', %s, 'seen')",
            (number, verdict),
        )


def with_threshold(rule: Rule, seconds: float) -> Rule:
    return replace(rule, tests=(Test("off_hours_s", "ge", seconds), *rule.tests[1:]))


def scratch(world: World, rule: Rule, units: tuple[str, ...] = ()) -> set[str]:
    """The flags of a rule by evaluating it on all rows in memory."""
    table = world.trips
    if units:
        table = table[table["vehicle_id"].map(world.units).isin(units)]
    return set(evaluate([replace(rule, status="stable")], {"trip": table})["flag_id"])


def by_change(found: WhatIf) -> dict[str, set[str]]:
    return {change: set(found.flags.loc[found.flags["change"] == change, "flag_id"]) for change in CHANGES}


def test_changed_thresholds_find_what_evaluating_from_scratch_finds(world: World) -> None:
    standing = scratch(world, world.rule)
    assert len(standing) > 5
    for seconds in (0.0, 300.0, 900.0, 2400.0, 1e9):
        tried = with_threshold(world.rule, seconds)
        raised = scratch(world, tried)
        found = world.trials.try_rule(tried, FIRST_DAY, LAST_DAY)
        assert by_change(found) == {
            "appear": raised - standing,
            "disappear": standing - raised,
            "stay": raised & standing,
        }
        assert found.rows == len(world.trips)
        assert found.versions == (world.rule.version,)


def test_a_unit_counts_with_all_below_it_and_days_with_both_ends(world: World) -> None:
    tried = with_threshold(world.rule, 300.0)
    found = by_change(world.trials.try_rule(tried, FIRST_DAY, LAST_DAY, "A"))
    raised, standing = scratch(world, tried, ("A", "A1")), scratch(world, world.rule, ("A", "A1"))
    assert found == {"appear": raised - standing, "disappear": standing - raised, "stay": raised & standing}
    day = world.trials.try_rule(tried, FIRST_DAY + 1, FIRST_DAY + 1)
    assert set(day.flags["day"]) == {FIRST_DAY + 1}
    with pytest.raises(WrongUseError, match="no unit with vehicles has the code 'Z'"):
        world.trials.try_rule(tried, FIRST_DAY, LAST_DAY, "Z")


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_drafts_and_retired_rules_can_be_tried_and_all_flags_of_a_new_one_appear(world: World, status: str) -> None:
    tried = replace(with_threshold(world.rule, 600.0), rule_id="new-rule", status=status)
    found = by_change(world.trials.try_rule(tried, FIRST_DAY, LAST_DAY))
    assert found == {"appear": scratch(world, tried), "disappear": set(), "stay": set()}
    assert found["appear"]


def test_classes_and_dates_of_the_rule_hold_as_in_an_audit(world: World) -> None:
    for tried in (
        replace(world.rule, classes=("emergency",)),
        replace(world.rule, tests=(Test("vehicle_class", "eq", "emergency"),)),
    ):
        assert world.trials.try_rule(tried, FIRST_DAY, LAST_DAY).count("stay") == 0
    same = replace(world.rule, tests=(*world.rule.tests, Test("vehicle_class", "eq", "ordinary")))
    assert world.trials.try_rule(same, FIRST_DAY, LAST_DAY).count("disappear") == 0


def test_counts_by_level_and_unit_and_the_cost_of_reviewing_add_up(world: World) -> None:
    found = world.trials.try_rule(with_threshold(world.rule, 300.0), FIRST_DAY, LAST_DAY)
    for column in ("level", "unit"):
        totals = [sum(counts[change] for counts in found.by(column).values()) for change in CHANGES]
        assert totals == [found.count(change) for change in CHANGES]
    kept = found.flags[found.flags["change"] != "disappear"]
    assert found.reviews_a_day == len(set(zip(kept["vehicle_id"], kept["day"], strict=True))) / DAYS
    assert found.reviews_a_day_now <= found.reviews_a_day


def test_what_becomes_of_decided_flags_is_told(world: World) -> None:
    gone = world.trials.try_rule(with_threshold(world.rule, 1e9), FIRST_DAY, LAST_DAY)
    assert (gone.confirmed.vanish, gone.dismissed.vanish) == (2, 1)
    same = world.trials.try_rule(world.rule, FIRST_DAY, LAST_DAY)
    assert (same.confirmed.stay, same.dismissed.stay, same.confirmed.vanish) == (2, 1, 0)
    other = world.trials.try_rule(replace(world.rule, rule_id="new-rule"), FIRST_DAY, LAST_DAY)
    assert other.beside_confirmed == 2


def test_the_same_trial_twice_finds_the_same_in_the_same_order_and_json_can_hold_it(world: World) -> None:
    tried = with_threshold(world.rule, 0.0)
    first, second = (facts_of(world.trials.try_rule(tried, FIRST_DAY, LAST_DAY)) for _ in range(2))
    assert json.dumps(first, default=str) == json.dumps(second, default=str)
    assert 0 < len(first["flags"]) <= SHOWN


def test_flags_withdrawn_before_are_told_apart(world: World) -> None:
    with world.database.connection() as conn:
        row = conn.execute(
            "UPDATE flag SET withdrawn_at = now() WHERE flag_id = (SELECT max(flag_id) FROM flag) RETURNING flag_id"
        ).fetchone()
    assert row is not None
    found = world.trials.try_rule(world.rule, FIRST_DAY, LAST_DAY)
    assert by_change(found)["appear"] == {row[0]}
    assert found.withdrawn == 1
    with world.database.connection() as conn:
        conn.execute("UPDATE flag SET withdrawn_at = NULL WHERE flag_id = %s", row)


def test_a_damaged_file_costs_a_trial_nothing(world: World) -> None:
    before = by_change(world.trials.try_rule(world.rule, FIRST_DAY, LAST_DAY))
    path = world.trials.files.path("trip", FIRST_DAY)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    assert by_change(world.trials.try_rule(world.rule, FIRST_DAY, LAST_DAY)) == before


def test_long_histories_are_tried_piece_by_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = by_change(world.trials.try_rule(with_threshold(world.rule, 300.0), FIRST_DAY, LAST_DAY))
    monkeypatch.setattr(whatif, "SPAN_DAYS", 2)
    assert by_change(world.trials.try_rule(with_threshold(world.rule, 300.0), FIRST_DAY, LAST_DAY)) == whole


def test_rows_of_records_are_read_as_they_were_judged_and_a_subject_without_rows_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = world.trips.head(40).drop(columns="vehicle_class")
    monkeypatch.setattr(whatif, "SOURCES", {})
    with pytest.raises(GongcheError, match="no past rows of 'trip' are kept"):
        world.trials.try_rule(world.rule, FIRST_DAY, LAST_DAY)
    monkeypatch.setattr(whatif, "RECORDS", ("trip",))
    monkeypatch.setattr(whatif, "read_judged", lambda *_asked: table)
    found = by_change(world.trials.try_rule(world.rule, FIRST_DAY, FIRST_DAY))
    assert found["appear"] | found["stay"] == set(evaluate([world.rule], {"trip": world.trips.head(40)})["flag_id"])


def test_files_are_made_ahead_once_and_again_only_where_something_changed(world: World, tmp_path: Path) -> None:
    home = Gongche(tmp_path, load_settings(tmp_path), world.database, Archive(Folder(tmp_path)))
    files = whatif.feature_files(tmp_path)
    whatif.make_feature_files(home, LAST_DAY + 1)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "features").rglob("*.parquet")}
    assert {files.path("trip", day) for day in (FIRST_DAY, LAST_DAY)} <= set(made)
    whatif.make_feature_files(home, LAST_DAY + 1)
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_the_command_prints_the_difference_writes_all_flags_and_tells_faults(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Gongche(tmp_path, load_settings(tmp_path), world.database, Archive(Folder(tmp_path)))
    monkeypatch.setattr("gongche.home.open_home", lambda _home: nullcontext(home))
    rule = the_rule()
    lower, broken, out = (tmp_path / name for name in ("lower.toml", "broken.toml", "flags.csv"))
    lower.write_text(rule.text.replace("900", "300").replace("off_hours_m = { ge = 1000 }", ""), encoding="utf-8")
    broken.write_text('id = "x"\nversion = "one"\n', encoding="utf-8")
    days = ["--from", str(day_date(FIRST_DAY)), "--to", str(day_date(LAST_DAY))]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(rules_command.app, ["whatif", *arguments])

    found = json.loads(run(str(lower), *days, "--json", "--out", str(out)).stdout)
    raised, standing = scratch(world, with_threshold(world.rule, 300.0)), scratch(world, world.rule)
    assert (found["appear"], found["stay"]) == (len(raised - standing), len(raised & standing))
    written = pd.read_csv(out)
    assert set(written["flag_id"]) == raised | standing
    assert written["reason_en"].notna().all()
    assert "appear" in run(str(lower), *days).stdout
    faulty = run(str(broken), *days)
    assert faulty.exit_code == 1
    assert f"{broken}:2: version" in faulty.stdout
    for wrong in ((str(lower), *days[2:], "--from", "2026-12-01"), (str(lower), *days, "--out", "flags.doc")):
        assert isinstance(run(*wrong).exception, WrongUseError), wrong


def test_a_rule_is_named_by_its_file_or_by_a_version_that_was_used(world: World, tmp_path: Path) -> None:
    rule = the_rule()
    path = tmp_path / "rule.toml"
    path.write_text(rule.text, encoding="utf-8")
    with world.database.connection() as conn:
        for named in (str(path), f"{rule.rule_id}@{rule.version}"):
            found, faults = rule_of(conn, named)
            assert faults == []
            assert found is not None
            assert replace(found, path=rule.path) == rule
        for named, said in (
            ("no-file.toml", "expected a rule file or a version"),
            ("no-card@7", "never used"),
            ("x@y", "x@y"),
        ):
            with pytest.raises(GongcheError, match=said):
                rule_of(conn, named)
        path.write_text(
            rule.text.replace("ge = 900", "ge = 'late'").replace("points = 40", "points = -1"), encoding="utf-8"
        )
        found, faults = rule_of(conn, str(path))
    assert found is None
    assert len(faults) == 2
    assert all(str(fault).startswith(f"{path}:") and fault.line > 1 for fault in faults)
