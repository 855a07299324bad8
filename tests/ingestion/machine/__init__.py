"""State machines that do to a source and its syncs whatever may happen, in an order drawn by lot."""
