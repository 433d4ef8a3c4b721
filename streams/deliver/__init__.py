# SPDX-License-Identifier: Apache-2.0
"""Alerts out: Alertmanager and signed webhooks, each delivery recorded."""
