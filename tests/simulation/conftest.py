"""Worlds whose processes die leave executors whose threads say so in the log; nobody needs to."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _quiet_executors() -> Iterator[None]:
    logger = logging.getLogger("concurrent.futures")
    logger.disabled = True
    yield
    logger.disabled = False
