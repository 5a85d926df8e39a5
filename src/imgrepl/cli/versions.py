"""`imgrepl image-version`: what can be done to a version, gathered from several files."""

from collections.abc import Callable

from imgrepl.cli import (
    version_compare,
    version_content,
    version_copy,
    version_lifecycle,
    version_links,
    version_publishing,
    version_replication,
)
from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import noun

app = noun("image-version")

_COMMANDS: dict[str, Callable[..., Answer | None]] = {
    "create": version_publishing.create,
    "copy": version_copy.copy,
    "list": version_publishing.list_versions,
    "show": version_publishing.show,
    "update": version_publishing.update,
    "promote": version_lifecycle.promote,
    "delete": version_lifecycle.delete,
    "list-soft-deleted": version_lifecycle.list_soft_deleted,
    "undelete": version_lifecycle.undelete,
    "purge": version_lifecycle.purge,
    "wait": version_replication.wait,
    "status": version_replication.status,
    "retry": version_replication.retry,
    "checksum": version_content.checksum,
    "compare": version_compare.compare,
    "download": version_content.download,
    "link": version_links.link,
    "list-links": version_links.list_links,
    "revoke-links": version_links.revoke_links,
    "verify": version_content.verify,
    "repair": version_content.repair,
}
for _name, _command in _COMMANDS.items():
    app.command(_command, name=_name)
