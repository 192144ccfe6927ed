"""Measure every way of hosting a bundle on this machine, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from mldeploy.deployment._hosting import Hosting, HostingComparison
from mldeploy.deployment._hosting_http import over_http, run_trial
from mldeploy.model import Bundle


def compare_hosting(
    directory: str | Path,
    *,
    seconds: float = 2.0,
    connections: Sequence[int] = (1, 8, 64),
    prices: Mapping[str, float] | None = None,
    trusted: Sequence[str] = (),
    version: str | None = None,
    progress: bool = True,
) -> HostingComparison:
    """Measure a bundle as it is, compiled, in bulk and over HTTP, and say what fits.

    Each way runs in a fresh process on the bundle's golden rows, validated and logged as in
    service; the server answers one row a request.

    Parameters
    ----------
    directory : path
        The bundle, written with golden rows.
    seconds : float, default=2.0
        How long each way is measured, in seconds.
    connections : sequence of int, default=(1, 8, 64)
        Connections that ask the server at the same time.
    prices : mapping of str to float, optional
        Price of an hour of each machine by its name, for the cost of a million answers. The
        measurements are this machine's: ask on a machine like the one you will rent.
    trusted : sequence of str
        Types that may come to life in the original model; see `Bundle.load_model`.
    version : str, optional
        What the report calls it; the problem's name by default.
    progress : bool, default=True
        Show a progress bar.

    Returns
    -------
    HostingComparison
        Figures, verdicts on the problem's latency and resource criteria, and what fits.

    Raises
    ------
    NotFoundError
        If the bundle has no golden rows.
    DeploymentError
        If a way cannot be measured.
    """
    place = Path(directory)
    bundle = Bundle.open(place)
    rows = bundle.golden_rows().to_dicts()
    kinds = ["original"] if bundle.load_compiled() is None else ["original", "compiled"]
    hows = [*kinds, *(f"{kind}-bulk" for kind in kinds)]

    def ways() -> Iterator[Hosting]:
        for how in hows:
            yield run_trial(place, how, seconds=seconds, trusted=trusted)
        yield from over_http(place, rows, connections=connections, seconds=seconds)

    total = len(hows) + len(connections)
    measured = list(tqdm(ways(), desc="bench", total=total, disable=not progress, unit="way"))
    return HostingComparison.of(
        measured,
        problem=bundle.problem,
        version=version or bundle.problem.name,
        prices=prices,
    )
