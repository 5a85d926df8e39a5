"""The nouns of the command line, and the page that lists them.

Nothing here imports the command framework: `imgrepl --help` prints this page at the speed of a
bare interpreter, where the framework alone takes 0.2 s to load.
"""

from typing import NamedTuple


class Noun(NamedTuple):
    """A group of commands. `module` holds its `app`; `summary` is its line on the help page."""

    name: str
    module: str
    summary: str


NOUNS = (
    Noun("region", "regions", "Buckets and directories that keep replicas."),
    Noun("gallery", "galleries", "Galleries: the top of the published hierarchy."),
    Noun("image-definition", "definitions", "What all versions of an image have in common."),
    Noun("image-version", "versions", "Publish, find, replicate, download, verify versions."),
    Noun("share", "share", "Roles, direct shares, community galleries, and who may do what."),
    Noun("invitation", "invitation", "Galleries that others share with you directly."),
    Noun("retention", "retention", "Which versions to keep, and deleting the others."),
    Noun("activity", "activity", "Who did what, and who was refused what."),
    Noun("operation", "operations", "Work that goes on after --no-wait, or that was interrupted."),
    Noun("image", "images", "Look at a disk image before publishing it."),
    Noun("usage", "usage", "Provisioned, occupied, billed and stored bytes."),
    Noun("cost", "cost", "What a month costs, and what deduplication saved."),
    Noun("advise", "advise", "How many replicas a deployment needs."),
    Noun("collect", "collect", "Remove stored bytes that nothing names any more."),
    Noun("scrub", "scrub", "Prove what was proven longest ago, and mend what is damaged."),
    Noun("lab", "lab", "Real S3 servers on this machine, one a region."),
    Noun("index", "index", "Check, rebuild or upgrade the gallery index."),
    Noun("doctor", "doctor", "Check this machine, the index and every region."),
    Noun("config", "config", "Settings and where each came from."),
    Noun("completion", "completion", "Print the completion script of a shell."),
)

_BELOW_SIG = ("image-definition", "image-version", "share")


def as_ours(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Tokens as they are, or what az spells below `sig`: `sig create` is `gallery create`."""
    if tokens[:1] != ("sig",):
        return tokens
    return tokens[1:] if tokens[1:2] and tokens[1] in _BELOW_SIG else ("gallery", *tokens[1:])


GLOBAL_OPTIONS = {
    "--output, -o FORMAT": "json, jsonl, yaml, table, tsv or none. A table on a terminal, else"
    " json.",
    "--query JMESPATH": "Pick from the result before it is written.",
    "--index URL": "The gallery index, an SQLAlchemy URL.",
    "--principal NAME": "Ask as somebody else, by what is shared with them.",
    "--config FILE": "A TOML file of settings.",
    "--verbose": "Also tell what is going on, on stderr.",
    "--debug": "Log everything, and show tracebacks.",
    "--only-show-errors": "Nothing but errors on stderr.",
    "--no-progress": "No progress bars.",
}


_WIDTH = 24


def help_page() -> str:
    """What `imgrepl --help` prints."""
    nouns = [f"  {noun.name:<{_WIDTH}}{noun.summary}" for noun in NOUNS]
    options = [f"  {flags:<{_WIDTH}}{text}" for flags, text in GLOBAL_OPTIONS.items()]
    return "\n".join(
        [
            "Usage: imgrepl [GLOBAL OPTIONS] GROUP COMMAND [OPTIONS]",
            "",
            "Golden VM images on any object storage: galleries, versions, verified replicas.",
            "",
            "Groups and commands:",
            *nouns,
            "",
            "Global options, before or after the command:",
            *options,
            f"  {'--version':<{_WIDTH}}Print the version.",
            f"  {'--help, -h':<{_WIDTH}}Help on the group or command that stands before it.",
            "",
            "Example: the first image, in a directory as a region:",
            "  imgrepl region add home --url file:///srv/images",
            "  imgrepl image-version create -r golden -i debian -e 1.0.0 -l home \\",
            "    --os-disk debian.vhd --create-parents",
            "",
            "Exit codes: 0 done, 1 a bug of ours, 2 wrong usage, 3 not found, 4 conflict,",
            "  5 invalid, 6 corrupt, 7 unavailable, 8 partly done, 9 not allowed, 130 interrupted.",
            "",
        ]
    )
