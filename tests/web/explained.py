"""A flag of the small city with everything that its page shows: a rule's text, an order beside, exemptions, a sealed part."""

import json
from datetime import datetime

from geo.localtime import FLEET_ZONE, day_number, to_us
from rules import catalogue_path
from rules.evaluate import evaluate
from rules.load import Rule, load_catalogue
from rules.whatif import columns_of
from store.derived import FLAG_COLUMNS, copy_rows
from store.exemptions import Exemption, add_exemption
from store.feature_files import read_rows
from store.rule_versions import RuleText, remember_rules
from tests.web.city import DAY, City

RULE = "off-hours-no-order"


def add_explained(city: City) -> str:
    """Add the flag to V1's evening trip, withdrawn, so that it counts nowhere; returns its id."""
    rule = the_rule()
    number = day_number(DAY)
    with city.database.connection() as conn:
        older = rule.text.replace(f"version = {rule.version}", f"version = {rule.version + 1}").replace("900", "1200")
        remember_rules(conn, [RuleText(RULE, rule.version, rule.text), RuleText(RULE, rule.version + 1, older)])
        trips = read_rows(conn, "trip", number).to_pandas()
        trip = trips.reindex(columns=sorted({*trips.columns, *columns_of(rule)}))
        trip = trip[trip["trip_id"] == city.trip_ids["V1"]].assign(vehicle_class="ordinary", vehicle_ix=0)
        flags = evaluate([rule], {"trip": trip}).assign(vehicle_id=city.vehicle_ids["V1"])
        (flag_id,) = flags["flag_id"]
        texts = [json.dumps(numbers) for numbers in flags["numbers"]]
        copy_rows(conn, "flag", FLAG_COLUMNS, flags.assign(numbers=texts))
        conn.execute("UPDATE flag SET withdrawn_at = now() WHERE flag_id = %s", (flag_id,))
        conn.execute(
            "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, 0, 1, 1, 120, %s)",
            (DAY, f"positions/day={DAY}/part-00000-v1.parquet"),
        )
        evening = to_us(datetime(DAY.year, DAY.month, DAY.day, 18, 0, tzinfo=FLEET_ZONE))
        add_exemption(conn, Exemption("李", "<b>送修</b>", vehicle="V1", rule=RULE))
        add_exemption(conn, Exemption("王", "保障", unit="U1", valid_from=evening))
    return str(flag_id)


def the_rule() -> Rule:
    """The rule of the catalogue that the flag is of."""
    return next(rule for rule in load_catalogue(catalogue_path()) if rule.rule_id == RULE)
