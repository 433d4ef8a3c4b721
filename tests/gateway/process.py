# SPDX-License-Identifier: Apache-2.0
"""A gateway as a process of its own: `python -m tests.gateway.process BOOTSTRAP PORT`."""

import sys
from pathlib import Path

from streams.gateway.run import run_gateway
from streams.settings import GatewaySettings, KafkaSettings, Settings
from streams.topics import MOCK_PARTITIONS
from tests.gateway.running import road_city


def main(bootstrap: str, port: str) -> None:
    """Run until a signal."""
    kafka = KafkaSettings(bootstrap=bootstrap, partitions=MOCK_PARTITIONS, mock=True)
    gateway = GatewaySettings(port=int(port))
    run_gateway(Settings(city=Path("unused.toml"), kafka=kafka, gateway=gateway), road_city())


if __name__ == "__main__":
    main(*sys.argv[1:])
