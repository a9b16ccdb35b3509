"""What a sled-agent tells about its sled: few true facts, the rest of the API document's required fields empty.

This file does not know multicast.
"""

from typing import Any

from blueprints.snapshot import Sled

SLED_AGENT_PORT = 12345
"""Where a real sled-agent listens."""

_EMPTY_ERROR = {"err": "simulated"}


def inventory(sled: Sled) -> dict[str, Any]:
    """Return the body of ``GET /inventory``.

    Source:
        sled-agent's API document, type Inventory.
    """
    return {
        "sled_id": str(sled.id),
        "sled_agent_address": f"[{sled.underlay_address}]:{SLED_AGENT_PORT}",
        "sled_role": "gimlet",
        "baseboard_id": {"part_number": sled.part, "serial_number": sled.serial},
        "usable_hardware_threads": 128,
        "usable_physical_ram": 1 << 40,
        "cpu_family": "amd_milan",
        "reservoir_size": 0,
        "disks": [],
        "zpools": [],
        "datasets": [],
        "ledgered_sled_config": None,
        "reconciler_status": {"status": "not_yet_run"},
        "last_reconciliation": None,
        "file_source_resolver": _file_sources(),
        "smf_services_enabled_not_online": {"type": "data_unavailable"},
        "reference_measurements": [],
        "fmd": {"err": {"kind": "fmd_error", "message": "simulated"}},
    }


def _file_sources() -> dict[str, Any]:
    manifest = {"boot_disk_path": "", "boot_inventory": _EMPTY_ERROR, "non_boot_status": []}
    override = {"boot_disk_path": "", "boot_override": _EMPTY_ERROR, "non_boot_status": []}
    return {"zone_manifest": manifest, "measurement_manifest": manifest, "mupdate_override": override}
