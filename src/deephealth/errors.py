"""Every error a user can meet, and the exit code each one ends the command line with.

    DeepHealthError          1  the work failed
    |-- UsageError           2  the command was asked for something it does not do
    |   `-- MissingExtra     2  the work needs an optional dependency
    |-- InputError           3  what was given cannot be used
    |   |-- FilmError        3  one film cannot be read
    |   |   `-- FilmTooLarge 3  it may be a film, but is over a size limit
    |   |-- DatasetError     3  a data set cannot be indexed or split
    |   `-- ModelFileError   3  a model file or backbone cannot be used
    |-- LeakageError         1  the same film or patient stands on both sides of a split
    |-- ParityError          1  an exported model does not answer as the original did
    `-- Interrupted          1  the work was stopped and can be resumed

A message is one sentence: what was found, what was expected, what to do. It never holds a patient's name.
"""

from collections.abc import Mapping


class DeepHealthError(Exception):
    """Base of all errors that are reported to the user without a traceback."""

    exit_code = 1


class UsageError(DeepHealthError):
    """The command was asked for something it does not do."""

    exit_code = 2


class MissingExtra(UsageError):
    """An optional dependency is absent.

    `extra` is the name in ``pip install 'deephealth[extra]'``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed; install them with: pip install 'deephealth[{extra}]'")
        self.extra = extra


class InputError(DeepHealthError):
    """What was given cannot be used."""

    exit_code = 3


class FilmError(InputError):
    """One film cannot be read; a batch reports it and goes on."""


class FilmTooLarge(FilmError):
    """A film, file or archive member is over a limit that is checked before decoding."""


class DatasetError(InputError):
    """A data set cannot be indexed, split or prepared."""


class ModelFileError(InputError):
    """A model file or backbone cannot be used."""


class LeakageError(DeepHealthError):
    """The same film or patient stands on both sides of a split.

    `counts` says how many findings there are of each kind.
    """

    def __init__(self, message: str, counts: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.counts = dict(counts or {})


class ParityError(DeepHealthError):
    """An exported model does not answer as the original did."""


class Interrupted(DeepHealthError):
    """The work was stopped and can be resumed."""
