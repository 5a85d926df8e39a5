"""kill -9 at every named point and at random moments, on real servers: nothing lost, nothing wrong.

A gallery is published to, replicated, changed, deleted from, collected, repaired, scrubbed, rebuilt
and upgraded; every command dies, is given again, and completes.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.command_line import Cli
from e2e.mortal_gallery import PACK_BYTES, MortalGallery, tell
from imgrepl.testing.killing import DieAt, Mortals
from servers import S3Server, start_server

pytestmark = pytest.mark.servers

VERSIONS_MAX = 4


@pytest.fixture(scope="module")
def two_servers() -> list[S3Server]:
    """Two of the same quick kind, which are this module's alone: they are killed, too."""
    for kind in ("versitygw", "minio"):
        try:
            return [start_server(kind), start_server(kind)]
        except pytest.skip.Exception:
            continue
    return [start_server("seaweedfs"), start_server("seaweedfs")]


@pytest.fixture
def mortals(cli: Cli, tmp_path: Path) -> Iterator[Mortals]:
    with Mortals(tmp_path / "mortals", cli.environment, pack_bytes_target=PACK_BYTES) as started:
        yield started


def run_kills(cli: Cli, mortals: Mortals, servers: list[S3Server], kills: int) -> MortalGallery:
    """Goes round the commands until so many of them were killed."""
    seed = int(os.environ.get("IMGREPL_TEST_SEED", str(int(time.time()))))
    tell(f"IMGREPL_TEST_SEED={seed} makes the same deaths")
    dice = random.Random(seed)
    gallery = MortalGallery(cli, mortals, servers, dice)
    for number in range(10_000):
        of_round = (
            gallery.publish,
            gallery.replicate,
            gallery.update,
            gallery.repair,
            gallery.publish,
            gallery.scrub,
            *[gallery.delete] * (2 if len(gallery.images) > VERSIONS_MAX else 1),
            gallery.collect,
            gallery.migrate,
            gallery.rebuild,
        )
        for work in of_round:
            if number == 0:
                gallery.live_through(work())
            elif number % 5 == 4 and work == gallery.publish:
                gallery.survive_server(work())
            else:
                gallery.die_in(work())
        tell(f"round {number}: {sum(gallery.tally.kills.values())} kills")
        if number % 4 == 0 or sum(gallery.tally.kills.values()) >= kills:
            gallery.assert_all_is_well()
            tell(f"round {number}: {gallery.tally}")
        if sum(gallery.tally.kills.values()) >= kills:
            break
    return gallery


def test_every_command_may_be_killed_anywhere_and_given_again(
    cli: Cli, mortals: Mortals, two_servers: list[S3Server]
) -> None:
    gallery = run_kills(cli, mortals, two_servers, kills=50)
    kinds = {"ingest", "replicate", "update", "delete", "collect", "repair", "rebuild", "migrate"}
    assert kinds <= set(gallery.tally.kills), gallery.tally
    assert gallery.tally.resent_bytes < gallery.tally.sent_bytes // 2


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_every_command_is_killed_hundreds_of_times(
    cli: Cli, mortals: Mortals, two_servers: list[S3Server]
) -> None:
    run_kills(cli, mortals, two_servers, int(os.environ.get("KILLS", "1000")))


def test_a_process_dies_at_the_point_that_it_is_told(cli: Cli, mortals: Mortals) -> None:
    """And nowhere else: what was done before is durable, what comes after is not."""
    cli.add_region("eastus")
    words = ["gallery", "create", "-r", "golden", "-l", "eastus", "-o", "json"]
    whole = mortals.run(words)
    assert whole.status == 0, whole.stderr
    names = [name for name in whole.points if name.startswith("after commit galleries.")]
    assert names
    again = [*words[:3], "other", *words[4:]]
    died = mortals.run(again, die_at=DieAt(names[0]))
    assert died.killed
    assert died.points[-1] == names[0]
    assert mortals.run(["gallery", "show", "-r", "other"]).status == 0
    third = [*words[:3], "third", *words[4:]]
    before = names[0].replace("after", "before")
    assert mortals.run(third, die_at=DieAt(before)).killed
    gone = mortals.run(["gallery", "show", "-r", "third", "-o", "json"])
    assert (gone.status, gone.error_code) == (3, "GalleryNotFound")
