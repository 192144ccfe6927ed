"""From a problem statement to a monitored model, on every departure from New York in 2013.

Run it with ``make example``. It states the problem, assesses January to March, trains and
validates a model, and then replays April to December as a production stream: predictions are
logged, labels arrive when aircraft land, monitors look every day, the model decays, is trained
anew, and a bad successor is rolled back. The whole story is written to one HTML page.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from tqdm import tqdm

import mldeploy as md
from flights import load_flights
from late_arrivals_page import Story, write_page
from mldeploy.data import dataset_for
from mldeploy.deployment import Action
from mldeploy.evidence import Finding, Report
from mldeploy.project import Live
from mldeploy.registry import ModelVersion

NEW_YORK = ZoneInfo("America/New_York")
CATEGORIES = ["carrier", "origin", "dest"]
FEATURES = [
    *CATEGORIES,
    *("hour", "minute_of_day", "block_minutes", "weekday", "distance", "temp", "dewp", "humid"),
    *("wind_dir", "wind_speed", "precip", "pressure", "visib"),
]
ANSWERED_BY_THE_FLIGHT = ["arr_time", "air_time"]
FIRST_DAY, LAST_DAY = date(2013, 4, 1), date(2013, 12, 31)
HOLDOUT_FROM = datetime(2013, 3, 10, tzinfo=NEW_YORK).astimezone(UTC)
DRILL_DAY = date(2013, 6, 10)
LEARN_FROM = timedelta(days=120)
JUDGE_BY = timedelta(days=21)
ROLLOUT = md.Canary([0.25, 0.5, 1.0], block=timedelta(days=1), hold=timedelta(days=7))


def state_problem(extra_features: Sequence[str] = ()) -> md.Problem:
    """Say what is decided, and what "good" means."""
    return md.Problem(
        name="late-arrivals",
        statement="Before departure, say which flights will land over 15 minutes late.",
        decision="rebook connecting passengers",
        owner="ops@example.org",
        target="late",
        positive=True,
        prediction_time="scheduled_departure",
        label_delay=timedelta(hours=24),
        features=[*FEATURES, *extra_features],
        criteria=[
            md.Criterion("roc_auc", at_least=0.66, better_than="baseline", by=0.02),
            md.Criterion("recall", at_least=0.15, severity="warning", slices=["carrier"]),
            md.Criterion("brier", not_worse_than="champion", by=0.005),
            md.Criterion("latency_p95", at_most=timedelta(milliseconds=500)),
            md.Criterion("missing_share", at_most=0.05, columns=["wind_speed", "visib"]),
        ],
        autonomy=md.ReviewUncertain(max_error=0.10),
    )


def make_estimator() -> FixedThresholdClassifier:
    """Return an unfitted pipeline; it takes missing values and unseen categories.

    A flight counts as late from a probability of a quarter on: a missed connection costs more
    than a needless rebooking.
    """
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    boosting = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=200,
        l2_regularization=5.0,
        categorical_features=list(range(len(CATEGORIES))),
        early_stopping=False,
        random_state=0,
    )
    columns = make_column_transformer((encode, CATEGORIES), remainder="passthrough")
    return FixedThresholdClassifier(make_pipeline(columns, boosting), threshold=0.25)


def make_trainer(estimator: FixedThresholdClassifier) -> md.EstimatorTrainer:
    """Train beside the baseline that operations use today: how late flights of that hour were."""
    by_hour = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["hour"]))
    todays_rule = make_pipeline(by_hour, LogisticRegression(max_iter=300))
    return md.EstimatorTrainer(estimator, baselines={"todays_rule": todays_rule})


class SimulatedClock:
    """A clock that stands where it was set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def read_flights() -> pd.DataFrame:
    """Return the departures with the day of the week and a key for each flight."""
    flights = load_flights()
    local = flights["scheduled_departure"].dt.tz_convert(NEW_YORK)
    flights["weekday"] = local.dt.day_of_week
    flights["minute_of_day"] = flights["hour"] * 60 + flights["minute"]
    arrives = flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100
    flights["block_minutes"] = (arrives - flights["minute_of_day"]) % (24 * 60)
    flights["local_day"] = local.dt.date
    number = flights["carrier"] + flights["flight"].astype(str)
    flights["key"] = number + "/" + local.dt.strftime("%m%d%H%M") + flights["origin"]
    return flights


def midnight_after(day: date) -> datetime:
    """Return the moment at which a day in New York is over, in UTC."""
    following = datetime.combine(day + timedelta(days=1), datetime.min.time(), NEW_YORK)
    return following.astimezone(UTC)


def begin(project: md.Project, flights: pd.DataFrame, story: Story) -> ModelVersion:
    """Assess January to March, train, validate, register, have it approved."""
    winter = flights[flights["local_day"] < FIRST_DAY]
    leaking = state_problem(ANSWERED_BY_THE_FLIGHT)
    with_leaks = project.assessor.assess(
        dataset_for(winter[[*usable(), *ANSWERED_BY_THE_FLIGHT]], leaking), leaking
    )
    story.leaks = with_leaks.select(check="LeakageAssessor", verdict=md.Verdict.FAIL)

    data = project.assess(winter[usable()], name="January to March")
    model = project.train(make_estimator(), data)
    verdict = project.validate(model, data)
    version = project.register(model, verdict)
    project.approve(version, by="ana", reason="read the report and the carriers' recall")
    story.assessment, story.first_verdict = data.report, verdict
    story.note(project.clock(), f"{version.label} validated: {verdict.verdict}, approved by ana")
    return version


def usable() -> list[str]:
    """Return the columns that are known before departure, with target and time."""
    return [*FEATURES, "late", "scheduled_departure"]


@dataclass
class Feed:
    """Hands labels over when the aircraft have landed; 2.8 % of them never come."""

    pending: pd.DataFrame = field(default_factory=pd.DataFrame)

    def answered(self, ids: Sequence[str], day: pd.DataFrame) -> None:
        """Remember the answers whose truth will come."""
        known = day["late"].notna().to_numpy()
        labels = pd.DataFrame(
            {
                "prediction_id": np.asarray(ids)[known],
                "value": day["late"][known].astype(bool).to_numpy(),
                "observed_at": day["arrival"][known].to_numpy(),
            }
        )
        labels["observed_at"] = pd.to_datetime(labels["observed_at"], utc=True)
        self.pending = pd.concat([self.pending, labels]) if len(self.pending) else labels

    def landed(self, now: datetime) -> pd.DataFrame:
        """Return, once, the labels of the flights that have landed by now."""
        down = self.pending["observed_at"] <= pd.Timestamp(now)
        labels = self.pending[down].assign(received_at=lambda x: x["observed_at"])
        self.pending = self.pending[~down]
        return labels


def replay(
    project: md.Project,
    clock: SimulatedClock,
    live: Live,
    flights: pd.DataFrame,
    story: Story,
    *,
    last_day: date,
) -> None:
    """Let the year pass, day by day."""
    feed, by_day = Feed(), flights.groupby("local_day")
    days = [FIRST_DAY + timedelta(days=i) for i in range((last_day - FIRST_DAY).days + 1)]
    for day in tqdm(days, desc="replay", unit="day"):
        rows = by_day.get_group(day)
        answers = live.predict_frame(
            rows[FEATURES],
            keys=rows["key"].tolist(),
            times=rows["scheduled_departure"].dt.tz_localize(None).to_numpy(),
        )
        feed.answered(answers.ids, rows)
        clock.now = midnight_after(day)
        live.add_labels(feed.landed(clock.now))
        if live.is_rolling_out:
            decision = live.advance()
            if decision.action is not Action.HOLD:
                story.rolled_out(live, decision)
        elif day >= DRILL_DAY and not story.drilled:
            story.drilled = True
            drill(project, live, flights, story)
        story.watched(clock.now, project.monitor(live))
        if not live.is_rolling_out and project.decide_retraining(live).retrain:
            retrain(project, live, flights, story)


def matured(flights: pd.DataFrame, *, now: datetime, since: timedelta) -> pd.DataFrame:
    """Return the flights of the last time whose labels have had the time to come."""
    until = pd.Timestamp(now - timedelta(hours=24))
    start = until - pd.Timedelta(since)
    inside = flights["scheduled_departure"].between(start, until, inclusive="left")
    return flights.loc[inside & flights["late"].notna(), usable()]


def retrain(project: md.Project, live: Live, flights: pd.DataFrame, story: Story) -> None:
    """Train a challenger on what has matured, judge it beside the champion, roll it out."""
    now = project.clock()
    rows = matured(flights, now=now, since=LEARN_FROM)
    split = md.TimeSplit(test_from=now - timedelta(hours=24) - JUDGE_BY)
    dataset = project.data(rows, name=f"matured by {now:%d %B}")
    parts = split.split(dataset)
    challenger = project.train(make_estimator(), parts.train)
    verdict = project.validate(challenger, parts.test)
    version = project.register(challenger, verdict)
    if not verdict.passed:
        story.note(now, f"{version.label} was trained and refused: {verdict.verdict}", "refusal")
        return
    project.approve(version, by="ana", reason="as good as the champion on the same rows")
    live.roll_out(version, ROLLOUT)
    story.note(now, f"{version.label} trained on {len(parts.train):,} flights; canary begins")


def drill(project: md.Project, live: Live, flights: pd.DataFrame, story: Story) -> None:
    """Insist on a model that learnt nothing: the gate refuses it, and the canary catches it."""
    now = project.clock()
    rows = matured(flights, now=now, since=LEARN_FROM)
    split = md.TimeSplit(test_from=now - timedelta(hours=24) - JUDGE_BY)
    parts = split.split(project.data(rows))
    shuffled = parts.train.polars().with_columns(parts.train.polars()["late"].shuffle(seed=0))
    bad = project.train(make_estimator(), project.data(shuffled))
    verdict = project.validate(bad, parts.test)
    version = project.register(bad, verdict)
    story.note(now, f"{version.label}, made useless on purpose: {verdict.verdict}", "refusal")
    for name in sorted({f.name for f in in_the_way(verdict)}):
        project.waive(version, by="max", reason="drill", until=now + timedelta(days=30), name=name)
    project.approve(version, by="max", reason="a drill of the rollback")
    live.roll_out(version, ROLLOUT)
    story.note(now, f"{version.label} is insisted on, with waivers; canary begins", "drill")


def in_the_way(report: Report) -> list[Finding]:
    """Return the findings that keep a report from passing."""
    return [f for f in report.findings if f.severity == "blocker" and f.verdict != "PASS"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for page and store")
    parser.add_argument("--until", type=date.fromisoformat, default=LAST_DAY, metavar="DAY")
    options = parser.parse_args(arguments)
    began = time.perf_counter()

    store = options.out / "mlstore"
    shutil.rmtree(store, ignore_errors=True)
    flights = read_flights()
    clock = SimulatedClock(midnight_after(FIRST_DAY - timedelta(days=1)))
    problem, story = state_problem(), Story()
    with md.Project(
        problem,
        store=store,
        trainer=make_trainer,
        split=md.TimeSplit(test_from=HOLDOUT_FROM),
        retraining=md.CoolDown(
            policy=md.OnAlarm(names=("roc_auc", "roc_auc decay"), within=timedelta(days=7)),
            pause=timedelta(days=42),
        ),
        by="tom",
        clock=clock,
    ) as project:
        version = begin(project, flights, story)
        with project.deploy(version, rollout=ROLLOUT) as live:
            replay(project, clock, live, flights, story, last_day=options.until)
            story.finish(project, live, first=FIRST_DAY, last=options.until)
        story.damages = project.verify()
        page = write_page(story, project, options.out / "late_arrivals.html")
    print(story.summary(seconds=time.perf_counter() - began))
    print(f"\nThe whole story: {page.resolve()}")


if __name__ == "__main__":
    main()
