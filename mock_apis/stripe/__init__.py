"""Stripe's REST API as the pretend shop's payments: `router(world_ref)` serves it."""

from mock_apis.stripe.router import router

__all__ = ["router"]
