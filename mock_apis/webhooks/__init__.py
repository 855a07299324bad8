"""What Stripe and Shopify send by themselves when something happens in the pretend shop."""

from mock_apis.webhooks.sender import Target, WebhookSender

__all__ = ["Target", "WebhookSender"]
