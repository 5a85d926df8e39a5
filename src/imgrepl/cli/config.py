"""`imgrepl config`: settings and where each came from."""

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import noun
from imgrepl.cli.run import Injected
from imgrepl.model.secrets import without_secrets
from imgrepl.settings import documented_settings

app = noun("config")

COLUMNS = {"Setting": "name", "Value": "value", "Origin": "origin"}


@app.command
def show(*, run: Injected) -> Answer:
    """List every setting, its value and its origin: a flag, a variable, a file or the default.

    Passwords inside URLs are not shown.

    For example:

        imgrepl config show --config /etc/imgrepl.toml

    Exit codes: 0 done; 2 a setting is unknown or out of bounds; 3 the file is not there.
    """
    return Answer(
        [
            {
                "name": doc.name,
                "value": _shown(getattr(run.settings, doc.name)),
                "origin": run.loaded.origins[doc.name],
                "variable": doc.variable,
                "doc": doc.doc,
            }
            for doc in documented_settings()
        ],
        COLUMNS,
    )


def _shown(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    return without_secrets(str(value))
