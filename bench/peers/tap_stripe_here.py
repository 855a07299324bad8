"""tap-stripe, asking the server at STRIPE_API_URL: it has no setting for that. Run in the tap's own environment."""

from __future__ import annotations

import os

import stripe
import tap_stripe

stripe.api_base = os.environ["STRIPE_API_URL"]
tap_stripe.apply_request_timer_to_client = lambda client: None  # it knows no other address than api.stripe.com
tap_stripe.main()
