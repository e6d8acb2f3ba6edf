"""`python -m pipelines` is the `relickit` command."""

import sys

from pipelines.cli import main

sys.exit(main())
