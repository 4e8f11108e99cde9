"""Errors that end a command with one clear line.

GongcheError            the command did not succeed: exit 1
└── WrongUseError            the command was used wrongly: exit 2
"""


class GongcheError(Exception):
    """What went wrong and what to do, in one line."""


class WrongUseError(GongcheError):
    """An argument that cannot be meant."""
