"""`imgrepl completion`: what a shell needs to complete our commands."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from imgrepl.cli.noun import lone_command

app = lone_command("completion")


@app.default
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell.")], /
) -> None:
    """Print the completion script of a shell.

    For example:

        imgrepl completion bash > ~/.local/share/bash-completion/completions/imgrepl

    Exit codes: 0 printed; 2 no such shell.
    """
    from imgrepl.cli.frame import build

    sys.stdout.write(build().generate_completion(shell=shell))
