"""HTTP below the daemons: answers, bodies, routing, versions, faults, sockets. Knows no multicast."""
