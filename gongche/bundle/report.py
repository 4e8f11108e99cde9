"""The report of a case in one language: cover, flags with their evidence, rules as used, course, files, log."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from geo.localtime import to_datetime
from gongche.bundle import case_words
from gongche.bundle.content import CaseContent
from gongche.bundle.document import Block, Document, Facts, Grid, Heading, Listing, Text
from gongche.bundle.flag_chapter import Traced, chapter
from store.manifest import Manifest
from web.i18n import Words
from web.log_words import LOG_ACTIONS, LOG_KINDS
from web.terms import LEVELS, VEHICLE_CLASSES


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, by whom and by which release a bundle is made; at_us: µs UTC."""

    at_us: int
    made_by: str
    code_version: str


@dataclass(frozen=True, slots=True)
class Sealing:
    """A manifest of the archive, and its hash."""

    manifest: Manifest
    sha256: str


def report(
    content: CaseContent,
    seen: Mapping[int, Traced],
    sealings: Sequence[Sealing],
    faults: Sequence[str],
    stamp: Stamp,
    words: Words,
) -> Document:
    """The report; seen: what is kept of the track of each ground, by its number."""
    case, made = content.case, words.when(to_datetime(stamp.at_us))
    title = words.text("Evidence of case %(number)s") % {"number": case.case_id}
    made_by = {"when": made, "who": stamp.made_by, "version": stamp.code_version}
    blocks: list[Block] = []
    for ground in content.grounds:
        blocks += chapter(ground, seen[ground.number], content, words)
    for part in (_rules, _course, _files, _log):
        blocks += part(content, words)
    blocks += _checking(content, sealings, words)
    return Document(
        words.language,
        title,
        words.text("Made %(when)s by %(who)s with Gongche %(version)s; times are Asia/Shanghai") % made_by,
        words.text("Contents"),
        f"{title} · {case.plate} · {made}",
        [*_cover(content, faults, words)],
        blocks,
    )


def _cover(content: CaseContent, faults: Sequence[str], words: Words) -> Iterator[Block]:
    case, decided = content.case, content.decision
    unit = case.unit_zh if words.language == "zh" else case.unit_en or case.unit_zh
    if decided is None:
        decision = words.text("nothing is decided yet")
    else:
        said = words.text("%(verdict)s, by %(who)s on %(when)s: %(reason)s")
        decision = said % {
            "verdict": case_words.state(decided.to_state, words),
            "who": decided.person or "—",
            "when": words.when(decided.at),
            "reason": decided.reason,
        }
    yield Facts(
        [
            (words.text("Case"), str(case.case_id)),
            (words.text("Vehicle"), f"{case.plate} ({case.vehicle})"),
            (words.text("Class; model"), f"{words.text(VEHICLE_CLASSES[case.vehicle_class])}; {case.model or '—'}"),
            (words.text("Unit"), f"{unit} ({case.unit})"),
            (words.text("State"), case_words.state(case.state, words)),
            (words.text("Decision"), decision),
            (words.text("Opened"), f"{words.when(case.opened_at)} {case.opened_by}"),
            (words.text("Inspector"), case.assigned_to or "—"),
            (words.text("Next step due"), words.when(case.deadline)),
        ]
    )
    for fault in faults:
        yield Text(words.text("Not in order when this was made: %(fault)s") % {"fault": fault})
    rows = [
        (
            str(ground.number),
            words.text(LEVELS[flag.level]),
            content.rules[flag.rule, flag.rule_version].title(words.language),
            f"{words.when(ground.start)} – {words.clock(ground.end)}",
            words.number(flag.points),
            case_words.state(flag.verdict, words) if flag.verdict else "—",
        )
        for ground in content.grounds
        for flag in ground.flags
    ]
    head = (
        words.text("Chapter"), words.text("Level"), words.text("Rule"), words.text("Time"), words.text("Points"),
        words.text("Verdict"),
    )  # fmt: skip
    yield (
        Grid(head, rows, (0.9, 0.9, 3.6, 2.9, 0.9, 1.8), frozenset({4}))
        if rows
        else Text(words.text("There is no flag in this case."))
    )


def _rules(content: CaseContent, words: Words) -> Iterator[Block]:
    if content.rules:
        yield Heading(1, words.text("Rules as they were used"))
    for rule in content.rules.values():
        yield Heading(2, words.text("%(title)s, version %(version)s") % {
            "title": rule.title(words.language), "version": rule.version,
        })  # fmt: skip
        if rule.kept is None or rule.kept.text is None:
            yield Text(words.text("The text of rule %(rule)s was not kept.") % {"rule": rule.rule})
            continue
        basis = [str(each) for each in rule.said.get("basis") or ()]
        if basis:
            yield Facts([(words.text("Basis"), "\n".join(basis))])
        said = words.text("First used %(when)s; SHA-256 of the text %(hash)s; file %(file)s")
        named = {
            "when": words.when(rule.kept.first_used_at),
            "hash": rule.kept.sha256,
            "file": rule_file(rule.rule, rule.version),
        }
        yield Text(said % named, note=True)
        yield Listing(rule.kept.text)


def rule_file(rule: str, version: int) -> str:
    """Where the text of a rule stands in a bundle."""
    return f"rules/{rule}-v{version}.toml"


def _course(content: CaseContent, words: Words) -> Iterator[Block]:
    yield Heading(1, words.text("Course of the case"))
    rows = [
        (
            words.when(step.at),
            step.person or words.text("the system"),
            case_words.state(step.to_state, words) if step.from_state != step.to_state else words.text("remark"),
            "\n".join(part for part in (step.reason, case_words.facts(step.facts)) if part) or "—",
            words.when(step.deadline),
        )
        for step in content.steps
    ]
    if not rows:
        yield Text(words.text("No step is on record."))
        return
    head = (
        words.text("Time"), words.text("Who"), words.text("Step"), words.text("Reason and facts"),
        words.text("Next step due"),
    )  # fmt: skip
    yield Grid(head, rows, (2, 1.5, 2.2, 4, 2))


def _files(content: CaseContent, words: Words) -> Iterator[Block]:
    yield Heading(1, words.text("Files of the case"))
    if not content.files:
        yield Text(words.text("None is attached, and no bundle was given out before."))
        return
    rows = [
        (
            str(file.evidence_id),
            words.text("earlier bundle") if file.kind == "bundle" else words.text("attachment"),
            file.name,
            words.number(file.bytes),
            f"{words.when(file.added_at)} {file.added_by}",
            file.sha256,
        )
        for file in content.files
    ]
    head = (
        words.text("Number"), words.text("Kind"), words.text("File"), words.text("Bytes"), words.text("Added"),
        "SHA-256",
    )  # fmt: skip
    yield Grid(head, rows, (0.8, 1.2, 2.2, 1, 2, 3), frozenset({3}))


def _log(content: CaseContent, words: Words) -> Iterator[Block]:
    yield Heading(1, words.text("Entries of the log"))
    yield Text(words.text("Who looked at what is flagged, and who decided what; each entry with its hash."), note=True)
    rows = [
        (
            str(line.entry_id),
            words.when(to_datetime(line.at_us)),
            line.person or "—",
            f"{words.text(LOG_KINDS.get(line.kind, line.kind))}: {words.text(LOG_ACTIONS.get(line.action, line.action))}",
            line.subject,
            line.sha256,
        )
        for line in content.log
    ]
    if not rows:
        yield Text(words.text("There is none about this case."))
        return
    head = (
        words.text("Number"), words.text("Time"), words.text("Who"), words.text("What"), words.text("Subject"), "SHA-256",
    )  # fmt: skip
    yield Grid(head, rows, (0.8, 1.7, 1.1, 2, 1.8, 3.2), frozenset({0}))


def _checking(content: CaseContent, sealings: Sequence[Sealing], words: Words) -> Iterator[Block]:
    yield Heading(1, words.text("How this can be checked"))
    heads = content.heads
    yield Facts(
        [
            (words.text("Newest entry of the log"), f"{heads.entry_id}\n{heads.entry_sha256}"),
            (words.text("Newest sealing of the archive"), f"{heads.sequence}\n{heads.manifest_sha256}"),
        ]
    )
    yield Text(
        words.text(
            "The file verify.py in this bundle needs nothing but Python 3.8: it holds every file against manifest.json, the "
            "copied manifests of the archive and the entries of the log against their hashes, and the rows of the positions "
            "against theirs. It prints the hash of manifest.json, which was told and logged when the bundle was given out."
        )
    )
    yield Text(
        words.text(
            "A sealed part holds the vehicles of a whole bucket, and a bundle only the positions of what is flagged. That the "
            "archive holds these rows is checked where the archive is: gongche verify BUNDLE."
        )
    )
    if not sealings:
        return
    yield Heading(2, words.text("Sealings from the first day shown up to the newest"))
    rows = [
        (str(each.manifest.sequence), each.manifest.day, f"{each.manifest.tree} v{each.manifest.version}", each.sha256)
        for each in sealings
    ]
    head = (words.text("Sealing"), words.text("Day"), words.text("Folder"), words.text("SHA-256 of its manifest"))
    yield Grid(head, rows, (1, 1.4, 1.6, 5), frozenset({0}))
