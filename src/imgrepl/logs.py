"""Log lines on stderr: UTC time, level, logger, text. Progress and results are not logs."""

import logging
import sys
import time
from typing import TextIO

from imgrepl.model.secrets import without_secrets

_LIBRARIES = ("alembic", "boto3", "botocore", "sqlalchemy", "urllib3")


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is now: a progress display stands in for it while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _WithoutSecrets(logging.Formatter):
    """Libraries log whole requests at `debug`: what signs them is left out."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def configure(level: str) -> None:
    """Sends log lines of at least `level` to stderr, replacing what was configured before.

    Libraries tell their warnings only, unless `level` is `debug`.
    """
    formatter = _WithoutSecrets("%(asctime)sZ %(levelname)s %(name)s: %(message)s")
    formatter.converter = time.gmtime
    formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    formatter.default_msec_format = "%s.%03d"
    handler = _CurrentStderr()
    handler.setFormatter(formatter)
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(
            logging.NOTSET if level == "debug" else max(number, logging.WARNING)
        )
