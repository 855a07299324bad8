"""What each email campaign reached and sold."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from mock_apis.truth.identity import mailbox
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, address, local_day, rate, text
from mock_apis.world.email_model import Campaign, EmailEvent
from mock_apis.world.shop_model import Order
from mock_apis.world.world import World

ATTRIBUTION_WINDOW = timedelta(days=5)


def email_campaign_performance(world: World, sales: list[Sale]) -> list[Row]:
    reached: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in world.email_events:
        reached[event.campaign_id][event.type].add(address(event.email))
    clicks = clicks_of(world)
    won: dict[str, list[Sale]] = defaultdict(list)
    opened: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        if touches := clicks_before(sale.order, clicks):
            won[touches[-1].campaign_id].append(sale)
            opened[touches[0].campaign_id].append(sale)
    return [campaign_row(world, c, reached[c.id], won[c.id], opened[c.id]) for _, c in sorted(world.campaigns.items())]


def campaign_row(
    world: World, campaign: Campaign, reached: dict[str, set[str]], won: list[Sale], opened: list[Sale]
) -> Row:
    count = {kind: len(reached[kind]) for kind in ("sent", "bounce", "open", "click", "unsubscribe")}
    delivered = count["sent"] - count["bounce"]
    net = sum(sale.total.net for sale in won)
    buyers = {mailbox(sale.order.email) for sale in won}
    first_net = sum(sale.total.net for sale in opened)
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
        "conversion_rate": rate(len(buyers), delivered),
        "return_on_investment": rate(net - campaign.cost, campaign.cost),
        "converted": len(buyers),
        "first_touch_orders": len(opened),
        "first_touch_net_sales": text(first_net),
        "first_touch_return_on_investment": rate(first_net - campaign.cost, campaign.cost),
        "currency": world.currency,
    }


def clicks_of(world: World) -> dict[str, list[EmailEvent]]:
    """{mailbox: its clicks}"""
    clicks: dict[str, list[EmailEvent]] = defaultdict(list)
    for event in world.email_events:
        if event.type == "click":
            clicks[mailbox(event.email)].append(event)
    return clicks


def clicks_before(order: Order, clicks: dict[str, list[EmailEvent]]) -> list[EmailEvent]:
    """The mailbox's clicks at or up to five days before the order, oldest first: the last and the first get credit."""
    opens = order.processed_at - ATTRIBUTION_WINDOW
    near = [click for click in clicks[mailbox(order.email)] if opens <= click.occurred_at <= order.processed_at]
    return sorted(near, key=lambda click: (click.occurred_at, click.id))
