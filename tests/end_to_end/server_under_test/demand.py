# SPDX-License-Identifier: Apache-2.0
"""How a test that runs for long, in threads, says that the server was wrong."""


class WrongError(AssertionError):
    """The server did what it must not do."""


def demand(condition: bool, text: str) -> None:
    """Raises WrongError unless it holds."""
    if not condition:
        raise WrongError(text)
