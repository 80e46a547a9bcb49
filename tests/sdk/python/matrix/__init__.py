"""Every official SDK against every kind of provider, through the gateway's translation."""
