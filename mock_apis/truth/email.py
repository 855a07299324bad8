"""What each email campaign reached and sold."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, address, local_day, rate, text
from mock_apis.world.email_model import Campaign, EmailEvent
from mock_apis.world.shop_model import Order
from mock_apis.world.world import World

ATTRIBUTION_WINDOW = timedelta(days=5)


def email_campaign_performance(world: World, sales: list[Sale]) -> list[Row]:
    reached: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    clicks: dict[str, list[EmailEvent]] = defaultdict(list)
    for event in world.email_events:
        reached[event.campaign_id][event.type].add(address(event.email))
        if event.type == "click":
            clicks[address(event.email)].append(event)
    won: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        if click := last_click(sale.order, clicks[address(sale.order.email)]):
            won[click.campaign_id].append(sale)
    return [campaign_row(world, c, reached[c.id], won[c.id]) for _, c in sorted(world.campaigns.items())]


def campaign_row(world: World, campaign: Campaign, reached: dict[str, set[str]], won: list[Sale]) -> Row:
    count = {kind: len(reached[kind]) for kind in ("sent", "bounce", "open", "click", "unsubscribe")}
    delivered = count["sent"] - count["bounce"]
    net = sum(sale.total.net for sale in won)
    return {
        "campaign_id": campaign.id,
        "name": campaign.name,
        "sent_day": local_day(world, campaign.sent_at).isoformat(),
        "cost": text(campaign.cost),
        "sent": count["sent"],
        "bounced": count["bounce"],
        "delivered": delivered,
        "opened": count["open"],
        "clicked": count["click"],
        "unsubscribed": count["unsubscribe"],
        "open_rate": rate(count["open"], delivered),
        "click_rate": rate(count["click"], delivered),
        "orders": len(won),
        "attributed_net_sales": text(net),
        "conversion_rate": rate(len(won), delivered),
        "return_on_investment": rate(net - campaign.cost, campaign.cost),
        "currency": world.currency,
    }


def last_click(order: Order, clicks: list[EmailEvent]) -> EmailEvent | None:
    """The click that gets the credit: the last one at or up to five days before the order."""
    opens = order.processed_at - ATTRIBUTION_WINDOW
    near = [click for click in clicks if opens <= click.occurred_at <= order.processed_at]
    return max(near, key=lambda click: (click.occurred_at, click.id), default=None)
