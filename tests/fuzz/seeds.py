"""The inputs that fuzzing starts from: the golden frames and sentences, and the files of fixtures/frames/seeds/."""

import json
from pathlib import Path

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
FOLDER = FRAMES / "seeds"


def load_seeds(protocol: str) -> list[bytes]:
    """Inputs of `jt808`, `nmea` or `payload`, golden ones first; the same list each time."""
    return golden(protocol) + [read_seed(path) for path in seed_files(protocol)]


def seed_files(protocol: str) -> list[Path]:
    """Files of a protocol's folder, by name."""
    return sorted(path for path in (FOLDER / protocol).iterdir() if path.is_file())


def read_seed(path: Path) -> bytes:
    """The input of a file: `.hex` holds it as hexadecimal digits, any other suffix as it is."""
    return bytes.fromhex(path.read_text("ascii")) if path.suffix == ".hex" else path.read_bytes()


def golden(protocol: str) -> list[bytes]:
    """Golden frames one by one and all in a row; golden sentences by group; for payloads all of these."""
    frames = [bytes.fromhex(each["frame"]) for each in _load("jt808.json")["frames"]]
    groups = ["\r\n".join(each["sentences"]).encode() + b"\r\n" for each in _load("nmea.json")["groups"]]
    return {
        "jt808": [*frames, b"".join(frames)],
        "nmea": [*groups, b"".join(groups)],
        "payload": [*frames, *groups],
    }[protocol]


def _load(name: str) -> dict[str, list[dict[str, str]]]:
    loaded: dict[str, list[dict[str, str]]] = json.loads((FRAMES / name).read_text("utf-8"))
    return loaded
