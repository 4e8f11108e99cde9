"""What the watch shows of copied texts."""

from store.watch_views import TextRow
from web.watch_page import copied


def test_pages_of_copied_texts_are_the_newest_five_of_all_who_wrote_them() -> None:
    rows = [
        TextRow(
            "ann", "dismissal", "the order was late", [9, 1, 5, 7, 8, 6, 4], [f"/{n}" for n in (9, 1, 5, 7, 8, 6, 4)]
        ),
        TextRow("bob", "dismissal", "The order was late.", [3, 2], ["/3", "/2"]),
        TextRow("bob", "explanation", "the order was late", [10], ["/10"]),
    ]
    found = copied(rows)
    assert [(each.what, each.copies.count, each.copies.people, each.links) for each in found] == [
        ("dismissal", 9, (("ann", 7), ("bob", 2)), ["/1", "/2", "/3", "/4", "/5"])
    ]
