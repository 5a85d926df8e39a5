"""What was read of a version, for people: where it came from, how much, and where it went."""

from imgrepl.cli.blocks import Column, Grid
from imgrepl.cli.fact_page import fact_page

_SERVED = (
    "length(regions) > `1` && regions",
    Grid((), (Column("Region", "region"), Column("Served", "servedBytes")), "Served by"),
)
"""Only where it took more than one region: then one of them failed for a part."""

_ASKED = "askedRegion != region && askedRegion || null"

download_page = fact_page(
    {
        "Version": "version",
        "LUN": "lun",
        "File": "file",
        "Format": "format",
        "Provisioned": "provisionedBytes",
        "Occupied": "occupiedBytes",
        "Received": "receivedBytes",
        "Read from": "region",
        "Instead of": _ASKED,
        "Content": "contentId",
        "SHA-256": "sha256",
        "Took": "seconds",
    },
    _SERVED,
)

checksum_page = fact_page(
    {
        "Version": "version",
        "LUN": "lun",
        "SHA-256": "sha256",
        "Content": "contentId",
        "Provisioned": "provisionedBytes",
        "Read from": "region",
        "Instead of": _ASKED,
    },
    _SERVED,
)
