"""`python -m imgrepl`: the command line."""

from imgrepl.cli.app import main

main()
