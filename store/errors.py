"""Errors of the store, each one clear line.

StoreError
├── UnreachableError   no database answers, or it refuses us
├── SchemaError        the database's schema and this release do not fit
├── BindingError       a terminal would be in two vehicles at once (store.bindings)
├── CaseError          what cannot be done with a case, a flag of it or a file (store.cases, store.case_files)
├── ArchiveError       a sealed part cannot be written, or read as it was sealed
├── BackupError        a backup cannot be made, is not whole, or cannot be restored here
└── ServerError        the embedded server cannot run here
"""


class StoreError(Exception):
    """What the store could not do, and what to do about it."""


class UnreachableError(StoreError):
    """No database answers at the address, or it refuses the role; never carries a password."""


class SchemaError(StoreError):
    """A schema newer than this release, or a migration that is not the one that was applied."""


class ArchiveError(StoreError):
    """A sealed part that cannot be written, or read as it was sealed."""


class BackupError(StoreError):
    """A backup that cannot be made, is not what was written, or cannot be restored into this database."""


class ServerError(StoreError):
    """The embedded server cannot be set up or started."""


def reason(error: BaseException) -> str:
    """What an error says, in one line: the system's own words where it has some."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # An OSError without a number, but with a file's name, has no text of its own.
    said = " ".join(map(str, error.args)) if isinstance(error, OSError) else str(error)
    return (said.splitlines() or [type(error).__name__])[0]
