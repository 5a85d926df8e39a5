"""A server that lies to the command line: no wrong byte, no loss, no success that is none."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.command_line import DEFINITION, Cli, SameProcess, assert_refused
from e2e.lies import (
    Lie,
    error_for_done,
    error_for_object,
    nothing_listed,
    other_objects,
    told,
    wrong_checksums,
)
from e2e.relay import Relay, relay_to
from imgrepl.model.region import Endpoint
from servers import S3Server, server_of

pytestmark = pytest.mark.servers

LIAR = "westeurope"
IMPATIENT = {"IMGREPL_RETRY_DEADLINE_SECONDS": "1"}
MEBIBYTE = 1 << 20


@dataclass
class Liars:
    """Two regions on one server, one of them behind a relay that lies when it is told to."""

    cli: Cli
    relay: Relay
    server: S3Server
    liar: Endpoint
    folder: Path

    def image(self, name: str) -> Path:
        """A disk of its own for each name."""
        path = self.folder / f"{name}.raw"
        with path.open("wb") as file:
            file.write(random.Random(name).randbytes(MEBIBYTE))
            file.truncate(20 * MEBIBYTE)  # more than one part of an upload
        return path

    def publish(self, name: str, *targets: str, **variables: str) -> Any:
        """`create` of a version with a disk of its own."""
        words = ("image-version", "create", *DEFINITION, "-e", name, "--create-parents")
        disk = ("--os-disk", self.image(name), "-l", targets[0].partition("=")[0])
        return self.cli(*words, *disk, "--target-regions", *targets, **variables)

    def keys(self, prefix: str = "") -> list[str]:
        """What lies in the liar's first place, asked of the server itself."""
        clients = self.server.clients()
        at = f"{self.liar.url.split('/', 3)[3]}/r0/"
        found = clients.client_of(self.server.endpoint(self.server.bucket)).list_objects_v2(
            Bucket=self.server.bucket, Prefix=at + prefix
        )
        clients.close()
        return [one["Key"].removeprefix(at) for one in found.get("Contents", ())]

    def content(self, key: str) -> bytes:
        """An object there, as the server itself gives it."""
        clients = self.server.clients()
        client = clients.client_of(self.server.endpoint(self.server.bucket))
        answer = client.get_object(Bucket=self.server.bucket, Key=self.path(key).split("/", 2)[2])
        content = bytes(answer["Body"].read())
        clients.close()
        return content

    def path(self, key: str) -> str:
        """The path of a request for an object there."""
        return f"/{self.liar.url.removeprefix('s3://')}/r0/{key}"

    def turned(self, prefix: str) -> dict[str, str]:
        """For each object there its neighbour."""
        keys = self.keys(prefix)
        return dict(zip(map(self.path, keys), map(self.path, keys[1:] + keys[:1]), strict=True))

    def of(self, words: str, version: str, *more: object) -> Any:
        """A command about a version, however it ends."""
        return self.cli("image-version", words, *DEFINITION, "-e", version, *more)


@pytest.fixture(scope="module")
def liars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Liars]:
    """1.0.0 and 1.1.0 stand in both regions; the records of the first have two revisions."""
    folder = tmp_path_factory.mktemp("liars")
    (folder / "home").mkdir()
    cli, server = SameProcess(folder / "home", IMPATIENT), server_of("minio")
    with relay_to(server) as relay:
        behind = relay.as_server
        at = server.new_endpoint()
        cli.add_region("eastus", server)
        cli.add_region(LIAR, behind, at.url)
        liars = Liars(cli, relay, server, at, folder)
        for name in ("1.0.0", "1.1.0"):
            assert liars.publish(name, "eastus", LIAR).status == 0
        cli.done("image-version", "update", *DEFINITION, "-e", "1.0.0", "--tags", "tier=gold")
        yield liars


def lie_named(liars: Liars, name: str) -> Lie:
    match name:
        case "another pack":
            return other_objects(liars.turned("packs/"), "/packs/")
        case "another manifest":
            return other_objects(liars.turned("manifests/"), "/manifests/")
        case "an old record":
            (newer,) = [key for key in liars.keys("records/") if key.endswith(".2.json")]
            older = newer.removesuffix("2.json") + "1.json"
            return other_objects({liars.path(newer): liars.path(older)}, newer)
        case "a wrong checksum":
            return wrong_checksums("/packs/")
        case _:
            return error_for_object("/packs/")


@pytest.mark.parametrize(
    "name",
    ["another pack", "another manifest", "an old record", "a wrong checksum", "an error inside"],
)
def test_no_wrong_byte_comes_out_of_a_lie_and_a_deep_verification_names_it(
    liars: Liars, name: str, tmp_path: Path
) -> None:
    before = set(liars.keys())
    with told(liars.relay, lie_named(liars, name)) as lie:
        found = liars.of("verify", "1.0.0", "--deep")
        back = liars.cli.download("1.0.0", tmp_path / "back.raw", "--region", LIAR)
    assert back.read_bytes() == liars.image("1.0.0").read_bytes()
    assert (found.status, found.error["code"]) == (6, "DamageFound")
    states = {one["region"]: one["state"] for one in found.out["replicas"]}
    assert states == {"eastus": "healthy", LIAR: "damaged"}
    named = {problem["object"] for one in found.out["replicas"] for problem in one["problems"]}
    assert named
    assert {liars.path(key) for key in named} <= set(lie.told)
    assert before <= set(liars.keys()), "nothing that lay there is gone"
    assert liars.of("repair", "1.0.0").status == 0


def test_collect_deletes_nothing_where_a_listing_is_empty(liars: Liars) -> None:
    assert liars.publish("2.0.0", "eastus", LIAR).status == 0
    liars.cli.done("image-version", "delete", *DEFINITION, "-e", "2.0.0", "--yes")
    before = liars.keys()
    with told(liars.relay, nothing_listed()):
        assert_refused(liars.cli("collect", "--yes"), 7, "ListingIncomplete")
    assert liars.keys() == before
    liars.cli.done("collect", "--yes")
    assert len(liars.keys("packs/")) < len([key for key in before if key.startswith("packs/")])


def test_a_copy_that_fails_inside_a_200_is_no_replica(liars: Liars) -> None:
    """The server is told to fill a second place out of the first; it is sent the pack instead."""
    with told(liars.relay, error_for_done("/packs/", header="x-amz-copy-source")) as lie:
        assert liars.publish("3.0.0", f"{LIAR}=2").status == 0
    assert lie.told
    health = liars.of("verify", "3.0.0", "--deep")
    assert [one["state"] for one in health.out["replicas"]] == ["healthy"] * 2


def test_a_pack_that_is_refused_inside_a_200_is_not_published(liars: Liars) -> None:
    with told(liars.relay, error_for_done("/packs/")) as lie:
        assert liars.publish("4.0.0", LIAR).status == 7
    assert lie.told
    assert liars.of("show", "4.0.0").status == 3
    with told(liars.relay, error_for_done("/packs/", times_max=1)) as lie:
        assert liars.publish("4.0.0", LIAR).status == 0
    assert lie.told
    assert liars.of("verify", "4.0.0", "--deep").status == 0


def test_an_upload_that_fails_at_its_end_inside_a_200_gives_no_link(liars: Liars) -> None:
    assert liars.publish("5.0.0", LIAR).status == 0
    with told(liars.relay, error_for_done("/exports/", method="POST", query="uploadId=")) as lie:
        refused = liars.of("link", "5.0.0", "--format", "raw")
    assert lie.told
    assert refused.status == 7
    assert liars.of("list-links", "5.0.0").out == []
    made = liars.of("link", "5.0.0", "--format", "raw").out
    assert not made["reused"]
    (key,) = liars.keys("exports/")
    assert liars.content(key) == liars.image("5.0.0").read_bytes()
