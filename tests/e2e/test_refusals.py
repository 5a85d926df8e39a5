"""What cannot be published is refused with its exit code and a way out, and leaves nothing."""

import os
import random
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from disks.vhd_builder import DIFFERENCING, Vhd, fixed_vhd
from e2e.command_line import DEFINITION, VERSION, Cli, assert_nothing_left, assert_refused
from e2e.conftest import MEBIBYTE, make_image
from e2e.scripted_server import an_hour_ahead
from qemu import needs_qemu_img, qemu_img
from servers import S3Server, server_of

CONTENT = random.Random(3).randbytes(MEBIBYTE)


@pytest.fixture(scope="session")
def server() -> S3Server:
    """Any one, the quickest to start that is there."""
    for kind in ("versitygw", "minio"):
        try:
            return server_of(kind)
        except pytest.skip.Exception:
            continue
    return server_of("seaweedfs")


def refused(cli: Cli, image: Path | str, status: int, code: str, *words: object) -> None:
    assert_refused(cli(*cli.create(image, *words)), status, code)
    assert_nothing_left(cli)
    assert cli.rows("SELECT count(*) FROM galleries") == [(0,)], "a gallery for no version"


@pytest.mark.servers
@pytest.mark.parametrize("what", ["TEST_SECRET_ACCESS_KEY", "TEST_ACCESS_KEY_ID"])
def test_wrong_credentials_are_not_allowed(
    cli: Cli, image: Path, server: S3Server, what: str
) -> None:
    cli.add_region("eastus", server)
    cli.variables = {what: "wrong"}
    refused(cli, image, 9, "CredentialsRefused")
    cli.variables = {}
    cli.done(*cli.create(image))


def test_missing_credentials_are_not_allowed(cli: Cli, image: Path) -> None:
    words = ("--url", "s3://golden", "--endpoint", "http://127.0.0.1:9", "--credentials-env", "X")
    cli.done("region", "add", "eastus", *words)
    refused(cli, image, 9, "CredentialsMissing")


@pytest.mark.servers
def test_a_missing_bucket_is_not_found(cli: Cli, image: Path, server: S3Server) -> None:
    cli.add_region("eastus", server, url="s3://there-is-no-such-bucket/eastus")
    refused(cli, image, 3, "BucketMissing")


def test_a_clock_that_is_an_hour_off_is_told_by_how_much(cli: Cli, image: Path) -> None:
    with an_hour_ahead() as url:
        words = ("--url", "s3://golden", "--endpoint", url, "--credentials-env", "TEST")
        cli.done("region", "add", "eastus", *words)
        ran = cli(*cli.create(image))
    assert_refused(ran, 9, "ClockSkewed")
    assert "3600 s" in ran.error["message"] or "3599 s" in ran.error["message"]
    assert "behind" in ran.error["message"]
    assert_nothing_left(cli)


def test_an_endpoint_that_is_not_there_is_unavailable(cli: Cli, image: Path) -> None:
    words = (
        "--url",
        "s3://golden",
        "--endpoint",
        "http://127.0.0.1:9",
        "--credentials-env",
        "TEST",
    )
    cli.done("region", "add", "eastus", *words)
    cli.variables = {"IMGREPL_RETRY_DEADLINE_SECONDS": "1"}
    ran = cli(*cli.create(image))
    assert ran.status == 7
    assert ran.error["code"] == "EndpointUnreachable"
    assert_nothing_left(cli)


def test_the_bucket_of_another_index_is_refused(one_region: Cli, image: Path) -> None:
    one_region.done(*one_region.create(image))
    home = one_region.home / "other"
    home.mkdir()
    other = Cli(home)
    other.add_region("eastus", url=(one_region.home / "regions" / "eastus").as_uri())
    refused(other, image, 4, "BucketOfAnotherStore")


def test_a_region_that_is_not_registered_is_not_found(one_region: Cli, image: Path) -> None:
    refused(one_region, image, 3, "RegionNotFound", "--target-regions", "eastus", "mars=2")


def test_without_any_region_the_way_to_one_is_told(cli: Cli, image: Path) -> None:
    refused(cli, image, 3, "RegionNotFound")


def test_a_file_that_is_not_there_is_not_found(one_region: Cli, tmp_path: Path) -> None:
    refused(one_region, tmp_path / "absent.raw", 3, "SourceNotFound")


def test_an_empty_file_is_invalid(one_region: Cli, tmp_path: Path) -> None:
    path = tmp_path / "empty.raw"
    path.touch()
    refused(one_region, path, 5, "ImageEmpty")


@pytest.mark.parametrize("lost_bytes", [2, 512, MEBIBYTE // 2])
def test_a_fixed_vhd_that_was_cut_is_invalid(
    one_region: Cli, tmp_path: Path, lost_bytes: int
) -> None:
    path = tmp_path / "disk.vhd"
    path.write_bytes(fixed_vhd(CONTENT)[:-lost_bytes])
    refused(one_region, path, 5, "ImageFormatMismatch")


def test_a_dynamic_vhd_that_was_cut_is_invalid(one_region: Cli, tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    path.write_bytes(dynamic_vhd(CONTENT)[: -MEBIBYTE // 2])
    refused(one_region, path, 5, "VhdBlockInvalid")


def dynamic_vhd(content: bytes) -> bytes:
    block = 512 * 1024
    parts = [content[at : at + block] for at in range(0, len(content), block)]
    blocks = {number: (b"\xff" * 128, part) for number, part in enumerate(parts)}
    return Vhd(size=len(content), block_bytes=block, blocks=blocks).build()


@needs_qemu_img
def test_a_qcow2_that_names_a_file_of_this_machine_is_refused_and_the_file_not_read(
    one_region: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", path, "1M")
    refused(one_region, path, 5, "BackingFileNotNamed")


def test_a_differencing_vhd_needs_its_parent_and_is_whole_with_it(
    one_region: Cli, tmp_path: Path
) -> None:
    parent, child = tmp_path / "elsewhere" / "parent.vhd", tmp_path / "child.vhd"
    parent.parent.mkdir()
    parent.write_bytes(dynamic_vhd(CONTENT))
    block = 512 * 1024
    change = random.Random(9).randbytes(4096)
    bitmap = bytearray(128)
    bitmap[0] = 0xFF  # the first eight sectors are the child's own
    child.write_bytes(
        Vhd(
            size=len(CONTENT),
            block_bytes=block,
            kind=DIFFERENCING,
            identity=b"\x02" * 16,
            parent_identity=b"\x01" * 16,
            parent_name="parent.vhd",
            blocks={0: (bytes(bitmap), change + bytes(block - 4096))},
        ).build()
    )
    ran = one_region(*one_region.create(child))
    assert_refused(ran, 5, "ParentNotFound")
    assert_nothing_left(one_region)
    one_region.done(*one_region.create(child, "--parent", parent))
    got = one_region.download("1.0.0", tmp_path / "out.raw")
    assert got.read_bytes() == change + CONTENT[4096:]


def test_a_directory_is_no_image(one_region: Cli, tmp_path: Path) -> None:
    refused(one_region, tmp_path, 5, "SourceNotReadable")


def test_a_file_that_may_not_be_read_is_not_allowed(one_region: Cli, image: Path) -> None:
    image.chmod(0)
    if os.geteuid() == 0:  # who may read everything, unless that right is taken away
        rights = "-dac_override,-dac_read_search"
        one_region.through = ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}")
    refused(one_region, image, 9, "SourceNotReadable")


def test_a_source_that_changes_while_it_is_read_is_a_conflict(
    one_region: Cli, tmp_path: Path
) -> None:
    """It is written to from the moment the command starts until it ends."""
    path = make_image(tmp_path / "disk.raw")
    done = threading.Event()

    def write() -> None:
        with path.open("r+b") as file:
            while not done.wait(0.02):
                file.seek(2 * MEBIBYTE)
                file.write(os.urandom(4096))
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        ran = one_region(*one_region.create(path))
    finally:
        done.set()
        writer.join()
    assert_refused(ran, 4, "SourceChanged")
    assert_nothing_left(one_region)
    one_region.done(*one_region.create(path))
    assert one_region.download("1.0.0", tmp_path / "out").read_bytes() == path.read_bytes()


@pytest.mark.servers
def test_an_object_as_the_source_is_published_and_a_missing_one_is_named(
    one_region: Cli, image: Path, server: S3Server, tmp_path: Path
) -> None:
    at = server.new_endpoint()
    clients = server.clients()
    try:
        key = f"{urlsplit(at.url).path.lstrip('/')}/disk.raw"
        clients.client_of(at).put_object(
            Bucket=server.bucket, Key=key, Body=image.read_bytes()[: 8 * MEBIBYTE]
        )
    finally:
        clients.close()
    one_region.variables = {"AWS_ENDPOINT_URL": server.endpoint_url}
    refused(one_region, f"s3://{server.bucket}/absent", 3, "SourceNotFound")
    one_region.done(*one_region.create(f"s3://{server.bucket}/{key}"))
    got = one_region.download("1.0.0", tmp_path / "out")
    assert got.read_bytes() == image.read_bytes()[: 8 * MEBIBYTE]


def test_a_version_that_is_not_there_is_not_found(one_region: Cli, image: Path) -> None:
    one_region.done(*one_region.create(image))
    words = ("image-version", "download", *DEFINITION, "-e", "2.0.0", "--format", "raw")
    ran = one_region(*words, "--file", one_region.home / "out.raw")
    assert ran.status == 3
    assert ran.error["code"] == "VersionNotFound"
    assert not (one_region.home / "out.raw").exists()


def test_a_file_in_the_way_of_a_download_is_a_conflict(one_region: Cli, image: Path) -> None:
    one_region.done(*one_region.create(image))
    target = one_region.home / "out.raw"
    target.write_bytes(b"mine")
    words = ("image-version", "download", *VERSION, "--format", "raw", "--file", target)
    assert_refused(one_region(*words), 4, "TargetExists")
    assert target.read_bytes() == b"mine"
