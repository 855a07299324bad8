"""The simulation behind the pretend APIs: what the shop, its payments and its emails are at `now`."""
