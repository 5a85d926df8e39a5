"""Parses, runs one command, renders its answer, and turns whatever happens into an exit status."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import BoundArguments
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from imgrepl.cli import garbage
from imgrepl.cli.answer import Answer
from imgrepl.cli.failures import report, usage_hint
from imgrepl.cli.globals import GlobalOptions, asks_for_json
from imgrepl.cli.help import PlainHelp
from imgrepl.cli.ids_option import spelled_out
from imgrepl.cli.nouns import NOUNS, as_ours, help_page
from imgrepl.cli.run import Run, new_run
from imgrepl.errors import UsageError
from imgrepl.logs import configure
from imgrepl.settings import load, process_environment


@dataclass
class _ErrorStyle:
    """How an error is written; guessed from the words until the options are known."""

    as_json: bool
    debug: bool


def run_command(words: list[str]) -> int:
    """Runs what `words` say and gives the exit status; never raises but `BrokenPipeError`."""
    as_json = asks_for_json(words, process_environment(), on_terminal=sys.stdout.isatty())
    style = _ErrorStyle(as_json=as_json, debug="--debug" in words)
    try:
        answer = build(style).meta(
            words, exit_on_error=False, print_error=False, result_action="return_value"
        )
        return answer if isinstance(answer, int) else 0
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        return report(error, sys.stderr, as_json=style.as_json, debug=style.debug)


def build(style: _ErrorStyle | None = None) -> App:
    """The whole tree of commands. A noun's module is loaded when one of its commands is named."""
    app = App(
        name="imgrepl",
        help_flags=(),
        version_flags=(),
        help_format="plaintext",
        help_formatter=PlainHelp(),
        default_parameter=Parameter(negative=(), show_default=False),
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for noun in NOUNS:
        app.command(f"imgrepl.cli.{noun.module}:app", name=noun.name)

    app.meta.suppress_keyboard_interrupt = False

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        options: GlobalOptions = GlobalOptions(),  # noqa: B008 - frozen
    ) -> int:
        if not tokens or tokens[0] in {"--help", "-h"}:
            sys.stdout.write(help_page())
            return 0
        return _launch(app, tokens, options, style or _ErrorStyle(as_json=False, debug=False))

    return app


def _launch(app: App, tokens: tuple[str, ...], options: GlobalOptions, style: _ErrorStyle) -> int:
    words = spelled_out(as_ours(tokens))
    try:
        command, bound, injected = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        from imgrepl.azure import absent

        raise absent.refusal(words) or error from error
    try:
        return _run(command, bound, injected, options, style)
    except UsageError as error:
        if error.hint is None:
            error.hint = usage_hint([app.name[0], *app.parse_commands(words)[0]])
        raise


def _run(
    command: Callable[..., object],
    bound: BoundArguments,
    injected: Mapping[str, object],
    options: GlobalOptions,
    style: _ErrorStyle,
) -> int:
    loaded = load(options.as_settings(), process_environment(), options.config)
    run = new_run(options, loaded)
    style.as_json = run.output.for_programs
    configure(loaded.settings.log_level)
    garbage.settle()
    result = command(*bound.args, **bound.kwargs, **dict.fromkeys(injected, run))
    return _finish(run, result)


def _finish(run: Run, result: object) -> int:
    if not isinstance(result, Answer):
        return 0
    run.emit(result)
    if result.error is not None:
        raise result.error
    return 0
