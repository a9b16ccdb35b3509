"""How the property tests run: repeatable unless asked otherwise.

``pytest --hypothesis-profile=explore`` looks for new counter-examples instead.
"""

import signal

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("repeatable")

pytest_plugins = ["rackcast.testing", "tests.postgres"]
"""Whole blueprints are compared by the extension that users get too; databases are real ones."""


def pytest_configure() -> None:
    """Give commands under test the signals of a shell: what ``nohup`` lets them ignore would not end them."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
