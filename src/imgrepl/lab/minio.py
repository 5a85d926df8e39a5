"""MinIO from PATH: one process and one port for each server."""

import contextlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imgrepl.errors import NotFound
from imgrepl.lab.keys import Keys
from imgrepl.lab.ports import HOST
from imgrepl.lab.program import Command
from imgrepl.lab.state import LabServer

if TYPE_CHECKING:
    from minio import Minio as Client
    from minio import MinioAdmin

_TRIAL_KEY = "imgrepl-lab-trial"
_CALL_SECONDS_MAX = 2.0


class Minio:
    """A `ServerProgram`: `minio server` on one folder, set up and checked by its own package."""

    kind = "minio"
    title = "MinIO"
    port_names: tuple[str, ...] = ("s3",)
    grace_seconds = 5.0

    def find(self, environment: Mapping[str, str]) -> Path | None:
        found = shutil.which("minio", path=environment.get("PATH"))
        return Path(found) if found else None

    def absence(self) -> str:
        return (
            "no `minio` on PATH: `make minio` builds one into .tools/bin, and so does "
            "`go install github.com/minio/minio@latest` into Go's own folder"
        )

    def version(self, binary: Path) -> str:
        answer = subprocess.run(
            [str(binary), "--version"], capture_output=True, text=True, check=False
        ).stdout
        match = re.search(r"minio version (\S+)", answer)
        return match[1] if match else "unknown"

    def prepare(self, binary: Path, server: LabServer, keys: Keys) -> Command:
        """No console, no look for updates and no certificates."""
        server.data_folder.mkdir(parents=True, exist_ok=True)
        return Command(
            arguments=(
                str(binary),
                "server",
                f"--address={HOST}:{server.ports['s3']}",
                f"--certs-dir={server.folder / 'certs'}",
                str(server.data_folder),
            ),
            environment={
                "HOME": str(server.folder),
                "MINIO_ROOT_USER": keys.access_key_id,
                "MINIO_ROOT_PASSWORD": keys.secret_access_key,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
            },
        )

    def make_ready(self, server: LabServer, keys: Keys) -> str | None:
        """Asks MinIO how it is, then makes the bucket and takes one object through it."""
        with _opened(server, keys) as (client, admin):
            from minio.error import MinioException
            from urllib3.exceptions import HTTPError

            try:
                health = json.loads(admin.info())
                if health.get("mode") != "online":
                    return f"MinIO says it is {health.get('mode')!r}"
                if not client.bucket_exists(bucket_name=server.bucket):
                    client.make_bucket(bucket_name=server.bucket)
                body = b"ready?"
                client.put_object(server.bucket, _TRIAL_KEY, io.BytesIO(body), len(body))
                client.remove_object(server.bucket, _TRIAL_KEY)
            except (MinioException, HTTPError, ValueError) as error:
                return str(error)
        return None

    def warnings(self, server: LabServer, keys: Keys) -> tuple[str, ...]:
        with _opened(server, keys) as (client, _):
            if client.get_bucket_versioning(bucket_name=server.bucket).status != "Enabled":
                return ()
        text = (
            f"bucket {server.bucket} keeps old versions of its objects: what imgrepl deletes there "
            "goes on taking space until a lifecycle rule removes it"
        )
        return (text,)

    def leftovers(self, server: LabServer) -> tuple[Path, ...]:  # noqa: ARG002
        return ()


@contextlib.contextmanager
def _opened(server: LabServer, keys: Keys) -> Iterator[tuple["Client", "MinioAdmin"]]:
    """MinIO's clients for this server, without their retries of several minutes."""
    try:
        import urllib3
        from minio import Minio as Client
        from minio import MinioAdmin
        from minio.credentials.providers import StaticProvider
    except ImportError as error:
        raise NotFound(
            "the Python package `minio`, which sets MinIO servers up, is not installed",
            code="LabPartMissing",
            target="minio",
            hint="pip install 'imgrepl[lab]'",
        ) from error
    address = f"{HOST}:{server.ports['s3']}"
    provider = StaticProvider(keys.access_key_id, keys.secret_access_key)
    with urllib3.PoolManager(timeout=_CALL_SECONDS_MAX, retries=False) as pool:
        yield (
            Client(address, credentials=provider, secure=False, http_client=pool),
            MinioAdmin(endpoint=address, credentials=provider, secure=False, http_client=pool),
        )
