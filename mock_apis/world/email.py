"""Campaigns and what their readers do: get, open and click them, and sometimes buy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from mock_apis.world.aftermath import Aftermath
from mock_apis.world.email_model import Campaign, EmailEvent
from mock_apis.world.people import People, any_case
from mock_apis.world.state import State

SUBJECTS = (
    ("New arrivals", "They are here, and they are yours"),
    ("Weekend sale", 'Two days, 15 %, one code: "SUMMER15"'),
    ("Back in stock", "You asked; we listened ☕"),
    ("Care guide", "Wool, linen, and how to wash them"),
    ("Last chance", "Grüße, und bis bald"),
)
SITE = "https://shop.example.com"


class Email:
    def __init__(self, state: State, people: People, aftermath: Aftermath) -> None:
        self.state = state
        self.people = people
        self.aftermath = aftermath
        self.rng = state.random("email")
        self.second_looks = state.random("second looks")
        self.opened: dict[str, list[Campaign]] = defaultdict(list)  # by reader, in the order of their delivery

    def plan_day(self, start: datetime, end: datetime, number: int) -> None:
        """A campaign every three to four days, prepared in the morning and sent hours later."""
        if number % 7 in (0, 3):
            self.state.schedule(start + timedelta(hours=5), self.prepare)

    def prepare(self, at: datetime) -> None:
        number = self.state.count("campaign")
        name, subject = SUBJECTS[number % len(SUBJECTS)]
        sent_at = at + timedelta(hours=4)
        campaign = Campaign(
            id=f"cmp_{number:05d}",
            name=f"{name} {sent_at:%Y-%m-%d}",
            subject=subject,
            status="scheduled",
            sent_at=sent_at,
            cost=self.rng.randrange(30000, 90000) * self.state.scale.recipients // 300,
            updated_at=at,
        )
        self.state.campaigns[campaign.id] = campaign
        self.state.campaign_versions.append(replace(campaign))
        self.state.schedule(sent_at, self.send, campaign)

    def send(self, at: datetime, campaign: Campaign) -> None:
        self._changed(at, campaign, status="sent")
        readers = [c.email for c in self.state.customers.values() if c.marketing_state == "SUBSCRIBED"]
        readers += self.people.leads
        for email in sorted(self.rng.sample(readers, min(len(readers), self.state.scale.recipients))):
            self.state.schedule(at + timedelta(seconds=self.rng.randrange(1800)), self.deliver, campaign, email)
        # The invoice comes later and is seldom what was planned.
        self.state.schedule(at + timedelta(days=self.rng.uniform(1.5, 4)), self.correct_cost, campaign)

    def correct_cost(self, at: datetime, campaign: Campaign) -> None:
        self._changed(at, campaign, cost=campaign.cost * self.rng.choice((91, 96, 103, 108, 117)) // 100)

    def deliver(self, at: datetime, campaign: Campaign, email: str) -> None:
        self._event(at, "sent", campaign, email)
        dice = self.rng.random()
        if dice < 0.03:
            kind = self.rng.choice(("hard", "soft"))
            self._in(at, 1 / 60, 0.5, self.bounce, campaign, email, kind)
        elif dice < 0.5:
            self.opened[email].append(campaign)
            for _ in range(self.rng.choices((1, 2, 4), (70, 22, 8))[0]):
                self._in(at, 0.1, 60, self.open, campaign, email)
            if self.rng.random() < 0.4:
                self._in(at, 0.2, 72, self.click, campaign, email)
        elif dice < 0.52:
            self._in(at, 0.2, 24, self.unsubscribe, campaign, email)

    def bounce(self, at: datetime, campaign: Campaign, email: str, kind: str) -> None:
        self._event(at, "bounce", campaign, email, bounce_type=kind)
        if kind == "soft":
            # Tried again, and returned again: one address, two bounces.
            self.state.schedule(at + timedelta(hours=1), self.bounce, campaign, email, "hard")

    def open(self, at: datetime, campaign: Campaign, email: str) -> None:
        self._event(at, "open", campaign, email)

    def click(self, at: datetime, campaign: Campaign, email: str) -> None:
        self._event(at, "click", campaign, email, url=f"{SITE}/collections/new?utm_campaign={campaign.id}")
        if self.rng.random() < 0.2:
            self._event(at, "click", campaign, email, url=f'{SITE}/search?q="wool, red"&utm_campaign={campaign.id}')
        dice = self.rng.random()
        if dice < self.state.scale.click_to_order:
            # Most buy within the five days that count as the campaign's doing; some later.
            late = dice < self.state.scale.click_to_order * 0.12
            days = self.rng.uniform(5.1, 7) if late else 4.9 * self.rng.random() ** 2
            buys_at = at + timedelta(days=days)
            self.state.schedule(buys_at, self.aftermath.buy, email, campaign.id)
            others = [other for other in self.opened[email] if other is not campaign]
            if others and self.second_looks.random() < 0.5:
                between = at + (buys_at - at) * self.second_looks.random()
                self.state.schedule(between, self.look_again, others[-1], email)

    def look_again(self, at: datetime, campaign: Campaign, email: str) -> None:
        """Into another mail, before buying: the order's first click and its last are of two campaigns."""
        url = f"{SITE}/collections/new?utm_campaign={campaign.id}"
        self._event(at, "click", campaign, email, url=url, rng=self.second_looks)

    def unsubscribe(self, at: datetime, campaign: Campaign, email: str) -> None:
        self._event(at, "unsubscribe", campaign, email, url=f"{SITE}/unsubscribe")
        self.people.unsubscribe(at, email)

    def _changed(self, at: datetime, campaign: Campaign, **changes: object) -> None:
        for name, value in changes.items():
            setattr(campaign, name, value)
        campaign.updated_at = at
        self.state.campaign_versions.append(replace(campaign))

    def _event(
        self,
        at: datetime,
        kind: str,
        campaign: Campaign,
        email: str,
        url: str | None = None,
        bounce_type: str | None = None,
        rng: Random | None = None,
    ) -> None:
        number = self.state.count("email event")
        written = any_case(rng or self.rng, email)
        self.state.email_events.append(
            EmailEvent(f"ee_{number:010d}", kind, campaign.id, written, at, url, bounce_type)
        )

    def _in(self, at: datetime, least: float, most: float, action: Callable[..., None], *arguments: object) -> None:
        """Let `action` happen between `least` and `most` hours after `at`."""
        self.state.schedule(at + timedelta(hours=self.rng.uniform(least, most)), action, *arguments)
