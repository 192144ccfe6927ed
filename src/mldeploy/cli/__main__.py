"""``python -m mldeploy.cli``, where the command `mldeploy` is not on the path."""

import sys

from mldeploy.cli import main

sys.exit(main())
