"""dpd: the daemon that programs a switch's chip."""
