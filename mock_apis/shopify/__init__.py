"""Shopify's Admin GraphQL API as the pretend shop: `router(world_ref)` serves it."""

from mock_apis.shopify.router import router

__all__ = ["router"]
