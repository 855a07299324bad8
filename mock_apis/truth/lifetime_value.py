"""What each customer is expected to bring, and how good such predictions were when they could be put to the test."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from mock_apis.truth.identity import buyer_of, persons
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, local_day, rounded, text
from mock_apis.world.world import World

HORIZONS = (7, 30, 90, 365)
WINDOWS = 1


@dataclass(slots=True)
class Moved:
    """A sale (`bought`), or a line that came back and is worth less than nothing. Cents."""

    customer: str
    day: date
    bought: bool
    amount: int


@dataclass(slots=True)
class Habit:
    """What is known of a customer on some day."""

    repeats: int
    days: int
    silent: int
    net: int
    rate: Decimal = Decimal(0)  # orders a day
    worth: Decimal = Decimal(0)  # of an order, in cents

    @property
    def group(self) -> int:
        return (self.silent > 30) + (self.silent > 90)


class Forecast:
    """The shop as it was known at the beginning of `day`, and what it lets one expect."""

    def __init__(self, moves: list[Moved], day: date) -> None:
        self.moves, self.day = moves, day
        own: dict[str, list[Moved]] = defaultdict(list)
        for move in moves:
            if move.day < day:
                own[move.customer].append(move)
        self.habits = {customer: self._habit(known) for customer, known in own.items()}
        self._estimate(list(self.habits.values()))

    def _habit(self, known: list[Moved]) -> Habit:
        days = [move.day for move in known if move.bought]
        net = sum(move.amount for move in known)
        return Habit(len(days) - 1, (self.day - min(days)).days, (self.day - max(days)).days, net)

    def _estimate(self, habits: list[Habit]) -> None:
        """Draw each customer's rate and worth towards those of all."""
        if not habits:
            return
        mean = Decimal(sum(each.repeats for each in habits)) / sum(each.days for each in habits)
        worth = Decimal(sum(each.net for each in habits)) / sum(each.repeats + 1 for each in habits)
        spreads = ((each.repeats - mean * each.days) ** 2 - each.repeats for each in habits)
        variance = sum(spreads, Decimal(0)) / sum(each.days**2 for each in habits)
        for each in habits:
            each.rate = mean
            if variance > 0:
                each.rate = (mean**2 / variance + each.repeats) / (mean / variance + each.days)
            each.worth = (5 * worth + each.net) / (6 + each.repeats)

    def predict(self, horizon: int) -> dict[str, int]:
        """{customer: cents in the `horizon` days from the day on}."""
        stays = self._survival(horizon)
        return {
            customer: int((each.rate * horizon * stays[each.group] * each.worth).quantize(Decimal(1), ROUND_HALF_UP))
            for customer, each in self.habits.items()
        }

    def _survival(self, horizon: int) -> list[Decimal]:
        """The share of the orders foreseen that came of late, by how long the customers had been silent."""
        first = min((move.day for move in self.moves), default=self.day)
        lengths = [days for days in HORIZONS if days <= horizon and self.day - timedelta(days) > first]
        if not lengths:
            return [Decimal(1)] * 3
        earlier = Forecast(self.moves, self.day - timedelta(lengths[-1]))
        came, foreseen, there = [0] * 3, [Decimal(0)] * 3, [False] * 3
        for customer, then in earlier.habits.items():
            there[then.group] = True
            came[then.group] += self.habits[customer].repeats - then.repeats
            foreseen[then.group] += then.rate * lengths[-1]
        everyone = share(sum(came), sum(foreseen, Decimal(0)))
        return [share(came[group], foreseen[group]) if there[group] else everyone for group in range(3)]


def share(came: int, foreseen: Decimal) -> Decimal:
    return min(Decimal(1), (1 + came) / (1 + foreseen))


def moves_of(world: World, sales: list[Sale]) -> list[Moved]:
    person = persons(world)
    moves = []
    for sale in sales:
        customer, day = person[buyer_of(sale.order)], local_day(world, sale.order.processed_at)
        moves.append(Moved(customer, day, True, sale.total.gross - sale.total.discounts))
        moves += [Moved(customer, max(day, local_day(world, back.at)), False, -back.amount) for back in sale.returned]
    return moves


def predicted_12_months(world: World, sales: list[Sale]) -> dict[str, int]:
    """{customer: cents in the 365 days after today}."""
    return Forecast(moves_of(world, sales), local_day(world, world.now) + timedelta(1)).predict(365)


def lifetime_value_backtest(world: World, sales: list[Sale]) -> list[Row]:
    moves, today = moves_of(world, sales), local_day(world, world.now)
    first = min((move.day for move in moves), default=today)
    rows = []
    for horizon in HORIZONS:
        for number in range(1, WINDOWS + 1):
            cutoff = today - timedelta(horizon * number)
            if cutoff > first:
                rows.append(backtest(moves, first, cutoff, horizon) | {"currency": world.currency})
    return rows


def backtest(moves: list[Moved], first: date, cutoff: date, horizon: int) -> Row:
    predicted = Forecast(moves, cutoff).predict(horizon)
    actual, naive = dict.fromkeys(predicted, 0), dict.fromkeys(predicted, 0)
    for move in moves:
        if move.customer in predicted and -horizon <= (move.day - cutoff).days < horizon:
            (actual if move.day >= cutoff else naive)[move.customer] += move.amount
    return {
        "cutoff_day": cutoff.isoformat(),
        "horizon_days": horizon,
        "history_days": (cutoff - first).days,
        "customers": len(predicted),
        "predicted_net_sales": text(sum(predicted.values())),
        "actual_net_sales": text(sum(actual.values())),
        "prediction_error": text(sum(predicted.values()) - sum(actual.values())),
        "mean_absolute_error": off(predicted, actual),
        "naive_net_sales": text(sum(naive.values())),
        "naive_mean_absolute_error": off(naive, actual),
    }


def off(said: dict[str, int], actual: dict[str, int]) -> str:
    """By how much, on average, in money."""
    return rounded(Decimal(sum(abs(said[key] - actual[key]) for key in said)) / (100 * len(said)), "0.01")
