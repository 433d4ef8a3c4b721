# SPDX-License-Identifier: Apache-2.0
"""Real Kafka and TimescaleDB for the tests: installed once, started natively or in containers.

`python -m tests.services.install` downloads; nothing else here does. The fixtures stand in `tests/real`.
"""
