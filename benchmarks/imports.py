"""What importing costs, beside the libraries that it would otherwise load.

The bar: ``import mldeploy`` takes less than 100 ms, and loads neither pandas nor scikit-learn.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from mldeploy.evidence import text_table

STATEMENTS = (
    "pass",
    "import mldeploy",
    "import mldeploy; mldeploy.Problem",
    "import mldeploy; mldeploy.Project",
    "import pandas",
    "import sklearn.pipeline",
)


def seconds(statement: str) -> float:
    """Return how long a fresh interpreter takes for a statement."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    times = {s: median(seconds(s) for _ in range(7)) for s in STATEMENTS}
    bare = times["pass"]
    rows = [(s, f"{(t - bare) * 1e3:.0f} ms") for s, t in times.items()]
    print(text_table(("Statement", "Beyond a bare interpreter"), rows))


if __name__ == "__main__":
    main()
