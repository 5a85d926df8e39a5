"""Secrets stay where they are: in no output, log, index, record, object or error text."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from e2e.command_line import DEFINITION, VERSION, Cli
from gallery import postgresql_server
from servers import SECRET_ACCESS_KEY, S3Server, server_of

INDEX_PASSWORD = "index-pass/word+=1"
SESSION_TOKEN = "session-token/of+one=="
SIGNATURE = "5ig9a7u5e0fapresignedurl"
SECRETS = (SECRET_ACCESS_KEY, INDEX_PASSWORD, "index-pass%2Fword", SESSION_TOKEN, SIGNATURE)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server() -> S3Server:
    """Any real server; MinIO, where it is, as it starts soonest."""
    for kind in ("minio", "versitygw", "seaweedfs"):
        try:
            return server_of(kind)
        except pytest.skip.Exception as skipped:
            missing = skipped
    raise missing


@pytest.fixture
def protected_index() -> Iterator[str]:
    """An index whose URL has a password, on a server that lets any in."""
    pytest.importorskip("psycopg")
    if postgresql_server.binaries() is None:
        pytest.skip("no PostgreSQL server binaries in /usr/lib/postgresql/*/bin")
    with postgresql_server.server() as url:
        parsed = sa.make_url(f"{url}/postgres").set(password=INDEX_PASSWORD)
        yield parsed.render_as_string(hide_password=False)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def said(cli: Cli, *words: object, **variables: str) -> str:
    """All that a command writes; it is told to log everything."""
    process = cli.start(*words, "--debug", **variables)
    out, error = process.communicate(timeout=120)
    return out + error


def used(cli: Cli, server: S3Server, image: Path) -> Iterator[str]:
    """What a user sees on the way from nothing to a version, and of what goes wrong there."""
    endpoint = server.new_endpoint()
    at = ("--url", endpoint.url, "--endpoint", server.endpoint_url, "--credentials-env", "TEST")
    yield said(cli, "region", "add", "eastus", *at)
    yield said(cli, *cli.create(image, "-l", "eastus"))
    again = ("image-version", "create", *DEFINITION, "-e", "1.0.1", "--os-disk", image)
    yield said(cli, *again, "-l", "eastus", "--no-wait")
    yield said(cli, "image-version", "wait", *DEFINITION, "-e", "1.0.1")
    yield said(cli, "image-version", "verify", *VERSION, "--deep")
    yield said(cli, "config", "show")
    yield said(cli, "doctor")
    yield said(cli, "region", "check", "eastus", TEST_SESSION_TOKEN=SESSION_TOKEN)
    yield said(cli, "region", "check", "eastus", TEST_ACCESS_KEY_ID="nobody")


def refused(cli: Cli) -> Iterator[str]:
    """What a user sees who puts secrets where none belong."""
    signed = f"https://host/disk.vhd?X-Amz-Credential=AK&X-Amz-Signature={SIGNATURE}"
    yield said(cli, *cli.create(signed, "-l", "eastus"))
    login = f"http://key:{SECRET_ACCESS_KEY}@127.0.0.1:9"
    yield said(cli, "region", "add", "west", "--url", "s3://bucket", "--endpoint", login)
    yield said(cli, "region", "add", "west", "--url", f"s3://key:{SECRET_ACCESS_KEY}@bucket")
    yield said(cli, "region", "add", "west", "--url", f"{login}/bucket")
    for url in (
        f"mysql://user:{INDEX_PASSWORD}@127.0.0.1/index",
        f"postgresql+psycopg://user:{INDEX_PASSWORD}@127.0.0.1:9/index",
        f"postgresql+psycopg://user@127.0.0.1:9/index?password={INDEX_PASSWORD}",
    ):
        yield said(cli, "gallery", "list", "--index", url)


def rows_of(url: str) -> str:
    """All that an index holds."""
    engine = sa.create_engine(url)
    with engine.connect() as tx:
        metadata = sa.MetaData()
        metadata.reflect(tx)
        rows = [tx.execute(sa.select(table)).all() for table in metadata.sorted_tables]
    engine.dispose()
    assert len(rows) > 20
    return repr(rows)


def objects_of(server: S3Server) -> Iterator[tuple[str, bytes]]:
    """All that lies in the server's bucket."""
    clients = server.clients()
    client = clients.client_of(server.endpoint(server.bucket))
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=server.bucket):
        for found in page.get("Contents", []):
            key = found["Key"]
            yield key, client.get_object(Bucket=server.bucket, Key=key)["Body"].read()
    clients.close()


def test_no_secret_is_written_anywhere(
    cli: Cli, server: S3Server, image: Path, protected_index: str
) -> None:
    cli = replace(cli, variables={"IMGREPL_INDEX": protected_index})
    outputs = [*used(cli, server, image), *refused(cli)]
    texts = {f"output {number}": text for number, text in enumerate(outputs)}
    requests = [text for text in outputs if "DEBUG botocore" in text]
    assert len(requests) > 4, "whole requests are logged"
    assert all("Signature=***" in text for text in requests)
    texts["index"] = rows_of(protected_index)
    assert "1.0.1" in texts["index"]
    files = [path for path in cli.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files), "the worker's log is looked at too"
    texts |= {str(path): path.read_bytes().decode("latin-1") for path in files}
    objects = list(objects_of(server))
    assert any("records/" in key for key, _ in objects)
    texts |= {key: key + body.decode("latin-1") for key, body in objects}
    for where, text in texts.items():
        for secret in SECRETS:
            at = text.find(secret)
            assert at < 0, f"{where}: …{text[max(at - 200, 0) : at + 60]}…"
