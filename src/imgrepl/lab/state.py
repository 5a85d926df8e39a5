"""What a lab knows about itself, kept in its folder.

```
lab.json               the servers, their ports and buckets: written before anything starts
credentials            the key pair of all servers, an INI file in the AWS form, for its owner only
<region>-<number>/     one server: data/, server.log, server.pid and what its program needs
scratch/               for who tries things out with the lab: an index, images; goes with the lab
```

`lab.json` is the intent, `server.pid` the fact: a server without one was ended on purpose or never
started, and one whose process is gone died.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from imgrepl.errors import Corrupt, NotFound
from imgrepl.lab.files import write_private
from imgrepl.lab.keys import credentials_file
from imgrepl.lab.ports import HOST
from imgrepl.lab.process import ProcessMark
from imgrepl.model.region import Endpoint, Region

_LAYOUT = 1
SIGNING_REGION = "us-east-1"
"""What every server of a lab expects in signatures, whatever region of a gallery it stands for."""


@dataclass(frozen=True, kw_only=True)
class LabServer:
    """One S3 server of a lab: the standard endpoint `number` of a region.

    `ports` maps what the server program calls its ports to their numbers; `s3` is always there.
    `folder` belongs to this server alone.
    """

    region: str
    display_name: str
    number: int
    bucket: str
    ports: Mapping[str, int]
    folder: Path

    @property
    def name(self) -> str:
        return server_name(self.region, self.number)

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.ports['s3']}"

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    @property
    def mark_file(self) -> Path:
        return self.folder / "server.pid"

    def read_mark(self) -> ProcessMark | None:
        """The process that was started last, or None if it was ended on purpose."""
        try:
            fields = json.loads(self.mark_file.read_text(encoding="utf-8"))
            return ProcessMark(pid=int(fields["pid"]), started=str(fields["started"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise Corrupt(
                f"{self.mark_file} does not say which process it means: {error}",
                target=str(self.mark_file),
                hint=f"end the server of {self.name} yourself if it runs, then remove this file",
            ) from error

    def write_mark(self, mark: ProcessMark) -> None:
        write_private(self.mark_file, json.dumps({"pid": mark.pid, "started": mark.started}) + "\n")


@dataclass(frozen=True, kw_only=True)
class LabState:
    """A lab: its folder, what serves it and where.

    `program` is `seaweedfs` or `minio`, `version` what that program says of itself. `servers` are
    in the order of their regions, and within one by number.
    """

    folder: Path
    program: str
    version: str
    servers: tuple[LabServer, ...]

    @property
    def credentials_file(self) -> Path:
        return credentials_file(self.folder)

    @property
    def regions(self) -> tuple[Region, ...]:
        """Each region as the gallery index takes it; replica k goes to server k modulo N."""
        grouped = groupby(self.servers, key=lambda server: (server.region, server.display_name))
        return tuple(
            Region(
                name=name,
                display_name=display_name,
                standard=tuple(self._endpoint_of(server) for server in servers),
            )
            for (name, display_name), servers in grouped
        )

    def _endpoint_of(self, server: LabServer) -> Endpoint:
        return Endpoint(
            url=f"s3://{server.bucket}",
            endpoint_url=server.endpoint_url,
            credentials_file=str(self.credentials_file),
            signing_region=SIGNING_REGION,
            addressing="path",
        )


def server_name(region: str, number: int) -> str:
    """`eastus-0`: unique in a lab, and the name of the server's folder."""
    return f"{region}-{number}"


def lab_file(folder: Path) -> Path:
    """Where the lab in `folder` keeps its servers."""
    return folder / "lab.json"


def scratch_folder(folder: Path) -> Path:
    """What stands and falls with the lab in `folder`; may not exist."""
    return folder / "scratch"


def load(folder: Path) -> LabState:
    """The lab in `folder`.

    Raises `NotFound` (`LabNotFound`) where there is none, `Corrupt` where its file is no such file.
    """
    path = lab_file(folder)
    try:
        return _decode(folder, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no lab in {folder}",
            code="LabNotFound",
            target=str(folder),
            hint="`imgrepl lab up` makes one; `--dir` names another folder",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(
            f"{path} does not describe a lab of this release: {error!r}",
            target=str(path),
            hint=f"end its servers yourself if they run, and remove {folder}",
        ) from error


def save(state: LabState) -> None:
    """Makes the lab's file say this: all of it or, after a crash, what it said before."""
    servers = [
        {
            "region": server.region,
            "displayName": server.display_name,
            "number": server.number,
            "bucket": server.bucket,
            "ports": dict(server.ports),
        }
        for server in state.servers
    ]
    document = {
        "layout": _LAYOUT,
        "program": state.program,
        "version": state.version,
        "servers": servers,
    }
    write_private(lab_file(state.folder), json.dumps(document, indent=2) + "\n")


def _decode(folder: Path, document: dict[str, object]) -> LabState:
    if document["layout"] != _LAYOUT:
        raise ValueError(f"layout {document['layout']}, this release knows {_LAYOUT}")
    servers = document["servers"]
    if not isinstance(servers, list):
        raise TypeError("servers is no list")
    return LabState(
        folder=folder,
        program=str(document["program"]),
        version=str(document["version"]),
        servers=tuple(_decode_server(folder, fields) for fields in servers),
    )


def _decode_server(folder: Path, fields: Mapping[str, object]) -> LabServer:
    region, number = str(fields["region"]), int(str(fields["number"]))
    ports = fields["ports"]
    if not isinstance(ports, dict) or "s3" not in ports:
        raise TypeError(f"ports of {region} are {ports!r}")
    return LabServer(
        region=region,
        display_name=str(fields["displayName"]),
        number=number,
        bucket=str(fields["bucket"]),
        ports={str(name): int(port) for name, port in ports.items()},
        folder=folder / server_name(region, number),
    )
