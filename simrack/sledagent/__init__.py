"""sled-agent: the daemon that programs a sled's packet engine and NICs."""
