"""``python -m opiome`` is the command ``opiome``."""

import sys

from opiome.cli import main

sys.exit(main())
