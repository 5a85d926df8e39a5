"""How a noun's commands are gathered."""

from cyclopts import App

from imgrepl.cli.help import PlainHelp
from imgrepl.cli.nouns import NOUNS


def noun(name: str) -> App:
    """An empty group of commands that carries the noun's line of the help page."""
    app = lone_command(name)
    app.help = next(entry.summary for entry in NOUNS if entry.name == name)
    return app


def lone_command(name: str) -> App:
    """A noun that is itself a command; its docstring is its help."""
    return App(
        name=name,
        help_flags=("--help", "-h"),
        version_flags=(),
        help_format="plaintext",
        help_formatter=PlainHelp(),
    )
