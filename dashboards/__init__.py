# SPDX-License-Identifier: Apache-2.0
"""Grafana dashboards as code."""
