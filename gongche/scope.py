"""Where rules apply, made of the register: the tree of units, and the exemptions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rules.scope import Leave, Scope
from store.exemptions import Exemption
from store.fleet import Unit, Vehicle


def scope_of(vehicles: Sequence[Vehicle], units: Mapping[str, Unit], exemptions: Iterable[Exemption]) -> Scope:
    """Of these vehicles, in this order: the units above each, and the exemptions of itself and of these units."""
    above = {code: units_above(code, units) for code in {vehicle.unit for vehicle in vehicles}}
    of_vehicle: dict[str, list[Leave]] = defaultdict(list)
    of_unit: dict[str, list[Leave]] = defaultdict(list)
    for each in exemptions:
        kind, found, code = ("vehicle", of_vehicle, each.vehicle) if each.vehicle else ("unit", of_unit, each.unit)
        found[code].append(Leave(each.exemption_id, kind, each.rule, each.valid_from, each.valid_to))
    leaves = {}
    for number, vehicle in enumerate(vehicles):
        mine = [*of_vehicle.get(vehicle.code, ())]
        mine += [leave for unit in above[vehicle.unit] for leave in of_unit.get(unit, ())]
        if mine:
            leaves[number] = tuple(sorted(mine, key=lambda leave: leave.exemption_id))
    return Scope(tuple(above[vehicle.unit] for vehicle in vehicles), leaves)


def units_above(code: str, units: Mapping[str, Unit]) -> frozenset[str]:
    """Codes of a unit and of every unit above it."""
    found: list[str] = []
    while code in units and code not in found:
        found.append(code)
        code = units[code].parent
    return frozenset(found)
