# SPDX-License-Identifier: Apache-2.0
"""The Faust application around the fold; it speaks Kafka only."""
