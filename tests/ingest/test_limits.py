"""What one address may take up."""

import pytest

from ingest.limits import BURST_S, AddressLimits


def test_without_limits_everything_is_admitted_and_nobody_waits() -> None:
    limits = AddressLimits()
    assert all(limits.admit("a") for _ in range(1000))
    limits.spend("a", 10**9, 0.0)
    assert limits.wait_s("a", 0.0) == 0.0


def test_connections_are_counted_by_address_and_given_back() -> None:
    limits = AddressLimits(max_connections=2)
    assert [limits.admit("a"), limits.admit("a"), limits.admit("a"), limits.admit("b")] == [True, True, False, True]
    limits.leave("a")
    assert limits.admit("a")
    assert not limits.admit("a")


def test_an_address_that_is_ahead_waits_until_it_has_paid() -> None:
    limits = AddressLimits(max_bytes_per_s=1000)
    limits.spend("a", int(1000 * BURST_S), 0.0)
    assert limits.wait_s("a", 0.0) == 0.0  # what a quiet address may send at once
    limits.spend("a", 500, 0.0)
    assert limits.wait_s("a", 0.0) == 0.5
    assert limits.wait_s("a", 0.25) == 0.25
    assert limits.wait_s("a", 0.5) == 0.0
    assert limits.wait_s("b", 0.0) == 0.0


def test_a_quiet_address_saves_up_no_more_than_the_burst() -> None:
    limits = AddressLimits(max_bytes_per_s=1000)
    limits.spend("a", 100, 0.0)
    limits.spend("a", int(1000 * BURST_S) + 100, 3600.0)
    assert limits.wait_s("a", 3600.0) == pytest.approx(0.1)


def test_what_an_address_owes_is_forgotten_with_its_last_connection() -> None:
    limits = AddressLimits(max_bytes_per_s=1000)
    assert limits.admit("a")
    limits.spend("a", 10_000, 0.0)
    limits.leave("a")
    assert limits.admit("a")
    assert limits.wait_s("a", 0.0) == 0.0
