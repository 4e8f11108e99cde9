"""Cost of the stream: `python -m benchmarks.stream --json [--vehicles N --every S --minutes M --seed S]`.

Every car of a city reports every ten seconds, each in a second of its own; what came until the afternoon is fed at once,
then so many minutes are fed as they would arrive, a feed every few seconds. At the end the stream must stand where the
batch does, to the last bit.
"""

import argparse
import json
import resource
import time

import numpy as np
from pandas.testing import assert_frame_equal

from analytics.audit import TABLES, audit
from analytics.stream import Stream
from benchmarks.audit import FIRST_DAY, PER_DAY, drive, know
from geo.localtime import SECOND_US, day_start_us
from geo.positions import Positions

BEGIN_S = 12 * 3600 + 15 * 60


def main() -> None:
    """Feed a city's afternoon; print milliseconds a feed and what part of the time they take."""
    parser = argparse.ArgumentParser(description="cost of the stream on one core")
    parser.add_argument("--vehicles", type=int, default=8_628)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two feeds")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--checked", type=int, default=500, help="vehicles compared with the batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    positions = city(asked.vehicles, asked.seed)
    begin = day_start_us(FIRST_DAY) + BEGIN_S * SECOND_US
    end = begin + round(asked.minutes * 60) * SECOND_US
    arrived = positions.received_at
    stream = Stream(know(asked.vehicles, 1), FIRST_DAY, FIRST_DAY)
    began = time.perf_counter()
    stream.feed(positions.take(arrived < begin))
    facts = {
        "vehicles": asked.vehicles,
        "positions_before": len(stream),
        "positions_before_per_s": round(len(stream) / (time.perf_counter() - began)),
    }
    coming = positions.take((arrived >= begin) & (arrived < end))
    coming = coming.take(np.argsort(coming.received_at, kind="stable"))
    feeds = np.arange(begin, end, round(asked.every * SECOND_US))
    cuts = np.searchsorted(coming.received_at, np.append(feeds, end))
    took, changed = [], 0
    for start, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        began = time.perf_counter()
        changed += len(stream.feed(coming.take(slice(start, stop))).trips)
        took.append((time.perf_counter() - began) * 1e3)
    check(stream, positions.take(arrived < end), asked.checked)
    facts |= {
        "positions_per_s_fed": round(len(coming) / (asked.minutes * 60)),
        "feeds": len(took),
        "every_s": asked.every,
        "feed_ms_median": round(float(np.median(took)), 1),
        "feed_ms_99": round(float(np.percentile(took, 99)), 1),
        "feed_ms_most": round(max(took), 1),
        "share_of_time": round(sum(took) / 1e3 / (asked.minutes * 60), 4),
        "trip_changes": changed,
        "equal_vehicles": asked.checked,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(facts) if asked.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


def city(vehicles: int, seed: int) -> Positions:
    """A day of a fleet, made a few hundred cars at a time; cars report in different seconds of ten."""
    rng, parts = np.random.default_rng(seed), []
    for first in range(0, vehicles, 500):
        count = min(500, vehicles - first)
        part = drive(count, 1, rng)
        shift = (np.arange(count, dtype=np.int64) % 10).repeat(PER_DAY) * SECOND_US
        parts.append(
            Positions.from_columns(
                len(part),
                vehicle_ix=part.vehicle_ix + first,
                fix_time=part.fix_time + shift,
                received_at=part.received_at + shift,
                **{name: getattr(part, name) for name in ("lat_e7", "lon_e7", "speed_mps", "odometer_m", "status")},
            )
        )
    return Positions.concat(parts)


def check(stream: Stream, positions: Positions, vehicles: int) -> None:
    """AssertionError unless the first vehicles have the rows that the batch gives them."""
    chosen = np.arange(vehicles, dtype=np.int32)
    expected = audit(positions.take(positions.vehicle_ix < vehicles), stream.context, FIRST_DAY, FIRST_DAY)
    found = stream.tables(chosen)
    for table in TABLES:
        right = getattr(expected, table)
        assert_frame_equal(getattr(found, table)[right.columns], right, check_exact=True)


if __name__ == "__main__":
    main()
