# SPDX-License-Identifier: Apache-2.0
"""Fixtures of deliver's tests."""

from tests.gateway.mock_broker import broker

__all__ = ["broker"]
