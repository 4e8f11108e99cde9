"""Who speaks where: online, offline, in two places at once, and what was skipped."""

import pytest

from ingest.presence import GAPS_EVERY_S, MAX_GAP, Presence, Voice, skipped

HERE, THERE = object(), object()


def heard(presence: Presence, voice: Voice, owner: object, place: str) -> str | None:
    event = presence.hear(voice, owner, place, 0)
    voice.sequence = 1
    return None if event is None else event.kind


def test_a_terminal_is_online_with_its_first_message_and_offline_when_its_session_ends() -> None:
    presence, voice = Presence(), Voice("0139")
    assert [heard(presence, voice, HERE, "a") for _ in range(3)] == ["online", None, None]
    (event,) = presence.leave([voice], HERE, "hung up", 7)
    assert (event.terminal, event.kind, event.at, event.facts) == ("0139", "offline", 7, {"why": "hung up"})
    assert presence.leave([voice], HERE, "hung up", 8) == []


def test_a_terminal_that_calls_anew_leaves_its_old_connection_behind() -> None:
    presence, old, new = Presence(), Voice("139"), Voice("000139")
    assert heard(presence, old, HERE, "a") == "online"
    assert heard(presence, new, THERE, "b") == "online"
    assert presence.leave([old], HERE, "silent", 1) == []  # it is online at b
    assert len(presence.leave([new], THERE, "hung up", 2)) == 1


def test_a_number_heard_on_both_connections_is_in_two_places_and_that_is_told_once() -> None:
    presence, old, new = Presence(), Voice("139"), Voice("139")
    heard(presence, old, HERE, "a")
    heard(presence, new, THERE, "b")
    event = presence.hear(old, HERE, "a", 5)
    assert event is not None
    assert (event.kind, event.facts) == ("twice", {"here": "a", "there": "b"})
    assert heard(presence, new, THERE, "b") == "twice"
    assert [heard(presence, old, HERE, "a"), heard(presence, new, THERE, "b")] == [None, None]


@pytest.mark.parametrize(
    ("before", "now", "gap"),
    [
        (1, 2, None),
        (1, 1, None),  # sent again
        (1, 3, {"first_sequence": 2, "count": 1}),
        (0xFFFE, 1, {"first_sequence": 0xFFFF, "count": 2}),
        (0xFFFF, 0, None),
        (5, 3, None),
        (0, MAX_GAP, {"first_sequence": 1, "count": MAX_GAP - 1}),
        (0, MAX_GAP + 1, None),
        (700, 0, None),  # it started anew
    ],
)
def test_skipped_sequence_numbers(before: int, now: int, gap: dict[str, int] | None) -> None:
    assert skipped(Voice("1", sequence=before), now, 0.0) == gap


def test_a_message_sent_again_moves_nothing_back() -> None:
    voice = Voice("1", sequence=10)
    assert [skipped(voice, sequence, 0.0) for sequence in (7, 8, 9, 10, 11)] == [None] * 5
    assert voice.sequence == 11


def test_the_first_message_skips_nothing_and_a_bad_link_does_not_fill_the_log() -> None:
    voice = Voice("1")
    assert skipped(voice, 500, 0.0) is None
    assert skipped(voice, 502, 0.0) is not None
    assert skipped(voice, 504, GAPS_EVERY_S - 1) is None
    assert skipped(voice, 506, GAPS_EVERY_S) == {"first_sequence": 505, "count": 1}
