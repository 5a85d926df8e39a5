"""Opens an older index again and again, killed before each statement: `python … URL REVISION`.

A program of its own, because it forks: a child opens the index and dies by SIGKILL before its n-th
statement, COMMIT counted; then the index must be as it was or as it is to be, and open. Prints how
often a child was killed.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from gallery import old_indexes
from imgrepl.clock import SystemClock
from imgrepl.gallery import upgrade
from imgrepl.gallery.database import GalleryIndex


def _die_before(statement: int) -> None:
    """Ends this process before its engines begin statement number `statement`, from 1 on."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(sa.Engine, "before_cursor_execute", count)
    event.listen(sa.Engine, "commit", count)


def _was_killed(act: Callable[[], None]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - the parent must learn of it
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def _open(url: str) -> None:
    GalleryIndex.open(url, clock=SystemClock()).close()


def _kills(url: str, make: Callable[[], None]) -> Iterator[int]:
    """Kills before statement 1, 2, … until a child lives; checks what each death left."""
    make()
    before = old_indexes.dump_of(url)
    _open(url)
    after = old_indexes.dump_of(url)
    assert before != after
    for statement in range(1, 1000):
        make()

        def act(at: int = statement) -> None:
            _die_before(at)
            _open(url)

        killed = _was_killed(act)
        left = old_indexes.dump_of(url)
        assert left in (before, after), f"killed before statement {statement}: half of it is there"
        assert killed or left == after
        _open(url)
        assert old_indexes.dump_of(url) == after, f"after a kill before statement {statement}"
        if not killed:
            return
        yield statement


def main(url: str, revision: str) -> None:
    """Kills in every migration from `revision` to the last."""
    import alembic.command
    import alembic.config  # noqa: F401 - once, not in every child

    assert revision in upgrade.REVISIONS
    killed = sum(1 for _ in _kills(url, old_indexes.maker(url, revision)))
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(sys.argv[1], sys.argv[2])
