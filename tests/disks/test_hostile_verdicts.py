"""Each hostile image gets its verdict, by the same door as a user's own images."""

from pathlib import Path

import pytest

from images.hostile import hostile_images, write_hostile_images
from images.verdicts import HostileImage, Verdict
from imgrepl.disks.inspect import inspect
from imgrepl.disks.options import OpenOptions
from imgrepl.errors import Invalid


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile_images(folder)
    return folder


@pytest.mark.parametrize("image", hostile_images(), ids=lambda image: image.name)
@pytest.mark.timeout(10)
def test_a_hostile_image_gets_its_verdict(folder: Path, image: HostileImage) -> None:
    path = folder / image.name
    if image.verdict in {Verdict.WARN, Verdict.OK}:
        found = inspect(path, OpenOptions())
        assert bool(found.problems) == (image.verdict is Verdict.WARN), found.problems
        assert not found.refused
        return
    with pytest.raises(Invalid) as caught:
        inspect(path)
    assert caught.value.code != Invalid.default_code
    assert image.name in f"{caught.value.message} {caught.value.target}"


REJECTED = [image for image in hostile_images() if image.verdict is Verdict.REJECT]


@pytest.mark.parametrize("image", REJECTED, ids=lambda image: image.name)
def test_what_is_rejected_is_rejected_before_content_is_read(
    folder: Path, image: HostileImage
) -> None:
    with pytest.raises(Invalid):
        inspect(folder / image.name, scan=False)
