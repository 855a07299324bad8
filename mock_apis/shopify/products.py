"""How products, variants and the shop itself are answered."""

from __future__ import annotations

from mock_apis.shopify.fields import Resolver, constant, identified, of, page, plain, when
from mock_apis.shopify.nodes import InventoryNode
from mock_apis.shopify.values import gid, money, money_scalar

PRODUCT: dict[str, dict[str, Resolver]] = {
    "Product": identified("Product", "id")
    | {
        "title": plain("title"),
        "handle": plain("handle"),
        "vendor": plain("vendor"),
        "productType": plain("product_type"),
        "status": plain("status"),
        "tags": constant([]),
        "createdAt": when("created_at"),
        "updatedAt": when("updated_at"),
        "hasOnlyDefaultVariant": of(lambda product: len(product.variants) == 1),
        "variantsCount": of(lambda product: {"count": len(product.variants), "precision": "EXACT"}),
        "variants": lambda product, info, **args: page(
            info.context.variants_of(product), lambda node: node.variant.id, args
        ),
    },
    "ProductVariant": identified("ProductVariant", "variant.id")
    | {
        "sku": plain("variant.sku"),
        "title": plain("variant.title"),
        "displayName": of(lambda node: f"{node.product.title} - {node.variant.title}"),
        "price": of(lambda node: money_scalar(node.variant.price)),
        "compareAtPrice": of(
            lambda node: None if (price := node.variant.compare_at_price) is None else money_scalar(price)
        ),
        "position": plain("position"),
        "product": plain("product"),
        "createdAt": when("product.created_at"),
        "updatedAt": when("variant.updated_at"),
        "inventoryItem": of(lambda node: InventoryNode(node.variant, node.product)),
    },
    "InventoryItem": identified("InventoryItem", "variant.id")
    | {
        "sku": plain("variant.sku"),
        "tracked": constant(True),
        "requiresShipping": constant(True),
        "createdAt": when("product.created_at"),
        "updatedAt": when("variant.updated_at"),
        "unitCost": lambda node, info: (
            None if node.variant.cost is None else money(node.variant.cost, info.context.world.currency)
        ),
    },
}

SHOP: dict[str, Resolver] = {
    "id": constant(gid("Shop", 1)),
    "name": constant("Headwater Demo Shop"),
    "myshopifyDomain": constant("headwater-demo.myshopify.com"),
    "currencyCode": of(lambda world: world.currency),
    "ianaTimezone": of(lambda world: str(world.timezone)),
    "taxesIncluded": constant(True),
    "enabledPresentmentCurrencies": constant(["EUR", "GBP", "JPY", "SEK", "USD"]),
}
