"""A region for people: where its replicas go, and what its servers can do."""

from imgrepl.cli.blocks import Column, Grid
from imgrepl.cli.fact_page import fact_page

_ENDPOINT_COLUMNS = (
    Column("URL", "url"),
    Column("Endpoint", "endpoint", spare=1),
    Column("Credentials", "profile || credentialsFile || credentialsEnv", spare=2),
    Column("Class", "storageClass", spare=3),
)
_PLACE_COLUMNS = (
    Column("Place", "place"),
    Column("State", "state"),
    Column("Message", "message"),
    Column("Way out", "hint", spare=1),
)
_CAPABILITY_COLUMNS = (
    Column("Place", "place"),
    Column("Server", "capabilities.server", spare=1),
    Column("Conditional put", "capabilities.conditionalPut"),
    Column("Swap", "capabilities.conditionalSwap"),
    Column("Checksums", "capabilities.checksumChecked"),
    Column("Server copy", "capabilities.serverCopy"),
)

region_page = fact_page(
    {
        "Region": "name",
        "Display name": "displayName",
        "Storage account types": "storageAccountTypes",
        "Parent": "parent",
    },
    ("standard", Grid((), _ENDPOINT_COLUMNS, "Replicas")),
    ("zones", Grid((), _ENDPOINT_COLUMNS, "Zones")),
    ("premium && [premium]", Grid((), _ENDPOINT_COLUMNS, "Premium")),
)

check_page = fact_page(
    {"Region": "region", "Advice": "join('; ', warnings)"},
    ("places", Grid((), _PLACE_COLUMNS, "Places")),
    ("places[?capabilities]", Grid((), _CAPABILITY_COLUMNS, "What their servers can do")),
)
