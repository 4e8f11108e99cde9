"""How far trips led outside the district, the city and the province that their vehicle is at home in."""

import numpy as np

from analytics import kernels
from analytics.bounds import REGIONS
from analytics.context import FleetContext
from analytics.steps import Steps
from analytics.tally import Spans
from geo.arrays import Columns, FloatArray, UInt8Array

REGION_COLUMNS = tuple(f"out_of_{region}_m" for region in REGIONS)


def out_of_regions(
    steps: Steps, trips: Spans, outside: UInt8Array, out_of_area_m: FloatArray, context: FleetContext
) -> Columns:
    """Metres of each trip outside the regions of `context.regions`.

    Parameters
    ----------
    steps : of usable positions in canonical order.
    trips : of them.
    outside : uint8 (n,)   As `outside_bounds` gives it of them.
    out_of_area_m : float64 (t,)   Metres of each trip outside the permitted area, as `tally` gives them.

    Returns
    -------
    out_of_district_m, out_of_city_m, out_of_province_m : float64 (t,), exact parts of a metre, as `tally` counts
        out_of_area_m; NaN where the vehicle is at home in no such zone.
    """
    regions = context.regions
    if not len(regions.zones.zones):
        return {name: np.full(len(trips), np.nan) for name in REGION_COLUMNS}
    metres = kernels.metres_outside(steps, trips, outside)[1:]
    metres = np.where(regions.is_area[:, trips.vehicle_ix], out_of_area_m, metres)
    metres[regions.zone_ix[:, trips.vehicle_ix] < 0] = np.nan
    return dict(zip(REGION_COLUMNS, metres, strict=True))
