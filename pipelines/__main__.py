"""`python -m pipelines` is the `relickit` command."""

import sys

try:
    from pipelines.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # before there was anything to continue
    sys.exit(130)
