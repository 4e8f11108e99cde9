"""Rules as data, and the flags they raise."""

from pathlib import Path


def catalogue_path() -> Path:
    """Folder of the built-in rule catalogue."""
    return Path(__file__).parent / "catalogue"
