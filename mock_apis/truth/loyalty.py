"""What the loyalty program's members bring, by their tier."""

from __future__ import annotations

from collections import defaultdict

from mock_apis.truth.customers import bought_by
from mock_apis.truth.identity import persons
from mock_apis.truth.sale import Sale
from mock_apis.truth.writing import Row, average, rate, text, together
from mock_apis.world.loyalty_model import LoyaltyAccount
from mock_apis.world.world import World


def loyalty_tiers(world: World, sales: list[Sale]) -> list[Row]:
    bought, person = bought_by(world, sales), persons(world)
    accounts: dict[str, list[LoyaltyAccount]] = defaultdict(list)
    for account in sorted(world.loyalty_accounts.values(), key=lambda each: (-each.points_balance, each.joined_at)):
        accounts[person[str(account.customer_id)]].append(account)
    of_tier: dict[str, list[str]] = defaultdict(list)
    for key in accounts.keys() | bought.keys():
        of_tier[accounts[key][0].tier if key in accounts else "none"].append(key)
    everything = together(sale.total for sale in sales).net
    rows = []
    for tier, people in sorted(of_tier.items()):
        own = [sale for key in people for sale in bought.get(key, ())]
        total = together(sale.total for sale in own)
        buyers = [key for key in people if key in bought]
        held = {account.id: account.points_balance for key in people for account in accounts.get(key, ())}
        booked = [each for each in world.points_transactions.values() if each.account_id in held]
        rows.append(
            {
                "tier": tier,
                "customers": len(people),
                "buyers": len(buyers),
                "orders": len(own),
                "net_sales": text(total.net),
                "net_sales_share": rate(total.net, everything),
                "average_order_value": average(total, len(own)),
                "repeat_buyer_share": rate(sum(len(bought[key]) > 1 for key in buyers), len(buyers)),
                "points_earned": sum(each.points for each in booked if each.kind == "earn"),
                "points_redeemed": -sum(each.points for each in booked if each.kind == "redeem"),
                "points_outstanding": sum(held.values()),
                "currency": world.currency,
            }
        )
    return rows
