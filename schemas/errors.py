# SPDX-License-Identifier: Apache-2.0
"""The three kinds of error, by what has to happen next."""


class DrukteError(Exception):
    """Any error that Drukte raises on purpose. Its text says what, where and what to do."""


class RefusedError(DrukteError):
    """An input that cannot be taken: it goes to the dead letters under `reason`, the flow goes on."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransientError(DrukteError):
    """Something outside is away (broker, database, receiver): try again with back-off."""


class WrongUseError(DrukteError):
    """What was asked for cannot be done as it was asked: settings that are missing or wrong. Commands exit with 2."""


class FatalError(DrukteError):
    """A bug, a gap in the log or corrupt state: stop the process with a non-zero exit."""
