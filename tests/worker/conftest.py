# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the worker's tests."""

from tests.gateway.mock_broker import broker

__all__ = ["broker"]
