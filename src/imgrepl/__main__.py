"""`python -m imgrepl`: the command line."""

import sys

from imgrepl.cli.app import main

sys.exit(main())
