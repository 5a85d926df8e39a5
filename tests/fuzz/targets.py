"""All that is fuzzed."""

from collections.abc import Sequence
from functools import cache

from fuzz.disk_targets import disk_targets
from fuzz.index_target import index_target
from fuzz.store_targets import store_targets
from fuzz.target import Target


@cache
def all_targets() -> Sequence[Target]:
    """The same in the same order for ever: an input's number says which it is for."""
    return (*disk_targets(), *store_targets(), index_target())
