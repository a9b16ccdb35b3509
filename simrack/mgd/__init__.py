"""mgd: the daemon that holds a switch's multicast routes."""
