# SPDX-License-Identifier: Apache-2.0
"""The wall page and the present state for machines, straight from Kafka: it needs no database."""
