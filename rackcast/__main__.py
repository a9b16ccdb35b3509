"""``python -m rackcast`` is `rackcast`."""

from rackcast.main import main

if __name__ == "__main__":
    main()
