"""The one name of a terminal, however its number is padded."""


def terminal_key(terminal: str) -> str:
    """The number without leading zeros: 2013 sends 12 digits, 2019 sends 20, and both are one terminal."""
    return terminal.lstrip("0") or "0"
