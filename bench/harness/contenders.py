"""Whatever can bring a disk image to an S3 server and back: imgrepl, and what people use today.

Every peer runs with its own defaults, as its own manual tells people to use it.
"""

import json
import shlex
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from harness.bench import FAST_PATH, Bench, imgrepl, path_of
from harness.measuring import Command, Cost, measure, shell

_REPOSITORY_PASSWORD = "bench"


class Contender(ABC):
    """One program, or two in a row, with a store of its own that begins empty.

    `endpoint_url` is the server's, or one that counts what passes.
    """

    title: str
    programs: Sequence[str] = ()
    uses_server = True

    def __init__(self, bench: Bench, endpoint_url: str) -> None:
        self._bench = bench
        self._endpoint_url = endpoint_url
        self.name = bench.next_name(type(self).__name__.lower())
        self.folder = bench.disk / self.name

    def open(self) -> None:
        """Makes the empty store; not measured."""
        self.folder.mkdir()

    @abstractmethod
    def store(self, image: Path, name: str) -> Command:
        """What brings `image` into the store under `name`."""

    @abstractmethod
    def fetch(self, name: str, target: Path) -> Command:
        """What writes the image `name` to the raw file `target`."""

    def sent_bytes(self, cost: Cost) -> int | None:
        """What the program itself says it sent; None where it does not say."""
        del cost
        return None

    def stored_bytes(self) -> int:
        """What the store holds now."""
        return sum(self._bench.server.objects(f"{self.name}/").values())

    def save(self) -> None:
        """Remembers the store as it is, for `restore`."""
        self._saved_objects = self._bench.server.objects(f"{self.name}/")
        shutil.copytree(self.folder, self._saved_folder)

    def restore(self) -> None:
        """Makes the store what it was when it was saved: whatever came since is deleted."""
        now = self._bench.server.objects(f"{self.name}/")
        self._bench.server.delete([key for key in now if key not in self._saved_objects])
        shutil.rmtree(self.folder)
        shutil.copytree(self._saved_folder, self.folder)

    def close(self) -> None:
        """Deletes all of it, on the server too."""
        self._bench.server.delete(list(self._bench.server.objects(f"{self.name}/")))
        self._bench.server.free_space()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._saved_folder, ignore_errors=True)

    @property
    def _saved_folder(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.saved")

    def _key(self, name: str) -> str:
        return f"{self._bench.server.bucket}/{self.name}/{name}"

    def _program(self, name: str) -> str:
        path = path_of(name)
        assert path is not None, name
        return path


class Imgrepl(Contender):
    """Ours: the first version into a place nobody prepared, as a user's first one is."""

    title = "imgrepl"

    def open(self) -> None:
        super().open()
        measure(
            self._command(
                "region",
                "add",
                "bench",
                "--url",
                f"s3://{self._bench.server.bucket}/{self.name}",
                "--endpoint",
                self._endpoint_url,
                "--credentials-env",
                "AWS",
                "--addressing",
                "path",
            )
        )

    def store(self, image: Path, name: str) -> Command:
        arguments = ("create", *self._version(name), "--os-disk", str(image), "-l", "bench")
        return self._command("image-version", *arguments, "--create-parents")

    def fetch(self, name: str, target: Path) -> Command:
        arguments = ("download", *self._version(name), "--file", str(target))
        return self._command("image-version", *arguments)

    def sent_bytes(self, cost: Cost) -> int | None:
        return int(json.loads(cost.output)["imgrepl"]["transfer"]["sentBytes"])

    @property
    def environment(self) -> dict[str, str]:
        """An index and caches of its own, whatever the user has set."""
        return {
            **self._bench.server.environment(),
            "IMGREPL_INDEX": f"sqlite:///{self.folder}/index.db",
            "IMGREPL_STATE_DIR": str(self.folder / "state"),
            "IMGREPL_CACHE_DIR": str(self.folder / "cache"),
        }

    def _command(self, *arguments: str) -> Command:
        return imgrepl(*arguments, environment=self.environment)

    def _version(self, name: str) -> tuple[str, ...]:
        number = f"1.0.{int.from_bytes(name.encode(), 'big') % 1_000_000_007}"
        return ("-r", "bench", "-i", "image", "-e", number)


class FastPath(Contender):
    """The mark: the bare parts of an ingest in one file; it cannot fetch.

    All disks of a sequence go through one process, so `store` takes them all and the wall time is
    what the mark itself prints for the last one, without the start of Python.
    """

    title = "fast_path.py (the mark)"

    def open(self) -> None:
        super().open()
        self._bench.server.make_bucket(self._bucket)

    def store(self, image: Path, name: str) -> Command:
        del name
        return self.store_all([image])

    def store_all(self, images: list[Path]) -> Command:
        """What brings all of `images` into one store, in order."""
        return Command(
            arguments=(
                sys.executable,
                str(FAST_PATH),
                self._endpoint_url,
                self._bucket,
                *map(str, images),
            ),
            environment=self._bench.server.environment(),
        )

    def fetch(self, name: str, target: Path) -> Command:
        raise NotImplementedError("the mark sends and does not fetch")

    def close(self) -> None:
        self._bench.server.remove_bucket(self._bucket)
        super().close()

    @property
    def _bucket(self) -> str:
        """The mark writes to the root of a bucket."""
        return f"{self._bench.server.bucket}-{self.name}"


class Mc(Contender):
    """MinIO's client: copies files as they are."""

    title = "mc"
    programs: Sequence[str] = ("mc",)

    def store(self, image: Path, name: str) -> Command:
        return self._mc("cp", "--quiet", str(image), f"bench/{self._key(name)}")

    def fetch(self, name: str, target: Path) -> Command:
        return self._mc("cp", "--quiet", f"bench/{self._key(name)}", str(target))

    def _mc(self, *arguments: str) -> Command:
        return Command(arguments=(self._program("mc"), *arguments), environment=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        keys, parts = self._bench.server.keys, urlsplit(self._endpoint_url)
        account = f"{keys.access_key_id}:{keys.secret_access_key}"
        return {
            "MC_CONFIG_DIR": str(self.folder / "mc"),
            "MC_HOST_bench": f"{parts.scheme}://{account}@{parts.netloc}",
        }


class S5cmd(Contender):
    """s5cmd: copies files as they are."""

    title = "s5cmd"
    programs: Sequence[str] = ("s5cmd",)

    def store(self, image: Path, name: str) -> Command:
        return self._s5cmd(str(image), f"s3://{self._key(name)}")

    def fetch(self, name: str, target: Path) -> Command:
        return self._s5cmd(f"s3://{self._key(name)}", str(target))

    def _s5cmd(self, source: str, target: str) -> Command:
        return Command(
            arguments=(
                self._program("s5cmd"),
                "--endpoint-url",
                self._endpoint_url,
                *("cp", source, target),
            ),
            environment=dict(self._bench.server.environment()),
        )


class Rclone(Contender):
    """rclone: copies files as they are."""

    title = "rclone"
    programs: Sequence[str] = ("rclone",)

    def store(self, image: Path, name: str) -> Command:
        return self._rclone(str(image), f"bench:{self._key(name)}")

    def fetch(self, name: str, target: Path) -> Command:
        return self._rclone(f"bench:{self._key(name)}", str(target))

    def _rclone(self, source: str, target: str) -> Command:
        keys = self._bench.server.keys
        return Command(
            arguments=(self._program("rclone"), "copyto", "--s3-no-check-bucket", source, target),
            environment={
                "RCLONE_CONFIG": str(self.folder / "rclone.conf"),
                "RCLONE_CONFIG_BENCH_TYPE": "s3",
                "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
                "RCLONE_CONFIG_BENCH_ENDPOINT": self._endpoint_url,
                "RCLONE_CONFIG_BENCH_ACCESS_KEY_ID": keys.access_key_id,
                "RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY": keys.secret_access_key,
            },
        )


class QemuMc(Mc):
    """A compressed qcow2 by qemu-img, copied by mc; the copy on the way is in memory."""

    title = "qemu-img + mc"
    programs: Sequence[str] = ("mc", "qemu-img")

    def store(self, image: Path, name: str) -> Command:
        between = self._between(name)
        return shell(
            shlex.join(
                [
                    self._program("qemu-img"),
                    "convert",
                    "-c",
                    "-f",
                    "raw",
                    "-O",
                    "qcow2",
                    str(image),
                    between,
                ]
            ),
            shlex.join([self._program("mc"), "cp", "--quiet", between, f"bench/{self._key(name)}"]),
            shlex.join(["rm", between]),
            environment=self.environment,
        )

    def fetch(self, name: str, target: Path) -> Command:
        between = self._between(name)
        return shell(
            shlex.join([self._program("mc"), "cp", "--quiet", f"bench/{self._key(name)}", between]),
            shlex.join(
                [
                    self._program("qemu-img"),
                    "convert",
                    "-f",
                    "qcow2",
                    "-O",
                    "raw",
                    between,
                    str(target),
                ]
            ),
            shlex.join(["rm", between]),
            environment=self.environment,
        )

    def _between(self, name: str) -> str:
        return str(self._bench.memory / f"{self.name}-{name}.qcow2")


class Restic(Contender):
    """restic with a repository on the server."""

    title = "restic"
    programs: Sequence[str] = ("restic",)

    def open(self) -> None:
        super().open()
        measure(self._restic("init", "--quiet"))

    def store(self, image: Path, name: str) -> Command:
        return self._restic("backup", "--quiet", "--host", "bench", "--tag", name, str(image))

    def fetch(self, name: str, target: Path) -> Command:
        """Restores below a folder that is named as the image was."""
        return self._restic("restore", "latest", "--quiet", "--tag", name, "--target", str(target))

    def _restic(self, *arguments: str) -> Command:
        return Command(
            arguments=(self._program("restic"), *arguments),
            environment={
                **self._bench.server.environment(),
                "RESTIC_REPOSITORY": f"s3:{self._endpoint_url}/{self._key('repository')}",
                "RESTIC_PASSWORD": _REPOSITORY_PASSWORD,
                "RESTIC_CACHE_DIR": str(self.folder / "cache"),
            },
        )


class _LocalContender(Contender):
    """A peer that cannot write to S3: its store is a folder of this machine, to its advantage."""

    uses_server = False

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    def stored_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.repository.rglob("*") if file.is_file())


class Borg(_LocalContender):
    """borg with a repository in a folder."""

    title = "borg (to a folder)"
    programs: Sequence[str] = ("borg",)

    def open(self) -> None:
        super().open()
        measure(self._borg("init", "--encryption=none", str(self.repository)))

    def store(self, image: Path, name: str) -> Command:
        return self._borg("create", f"{self.repository}::{name}", str(image))

    def fetch(self, name: str, target: Path) -> Command:
        target.mkdir()
        command = self._borg("extract", "--sparse", f"{self.repository}::{name}")
        return Command(arguments=command.arguments, environment=command.environment, folder=target)

    def _borg(self, *arguments: str) -> Command:
        return Command(
            arguments=(self._program("borg"), *arguments),
            environment={
                "BORG_BASE_DIR": str(self.folder / "home"),
                "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
                "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            },
        )


class Casync(_LocalContender):
    """casync with a chunk store in a folder."""

    title = "casync (to a folder)"
    programs: Sequence[str] = ("casync",)

    def open(self) -> None:
        super().open()
        self.repository.mkdir()

    def store(self, image: Path, name: str) -> Command:
        return self._casync("make", self._index(name), str(image))

    def fetch(self, name: str, target: Path) -> Command:
        return self._casync("extract", self._index(name), str(target))

    def _index(self, name: str) -> str:
        return str(self.repository / f"{name}.caibx")

    def _casync(self, verb: str, *arguments: str) -> Command:
        store = f"--store={self.repository / 'chunks.castr'}"
        return Command(arguments=(self._program("casync"), verb, store, *arguments))
