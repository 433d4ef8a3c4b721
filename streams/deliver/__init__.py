# SPDX-License-Identifier: Apache-2.0
"""Alerts out: Alertmanager, signed webhooks, CAP documents with a feed of them, MQTT; each delivery recorded."""
