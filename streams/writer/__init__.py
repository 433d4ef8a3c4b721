# SPDX-License-Identifier: Apache-2.0
"""Kafka to the database: rows and offsets in one transaction."""
