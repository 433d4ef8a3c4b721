# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the page's tests."""

from tests.serve.browser import chromium

__all__ = ["chromium"]
