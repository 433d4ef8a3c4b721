# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the gateway's tests."""

from tests.gateway.mock_broker import broker

__all__ = ["broker"]
