# SPDX-License-Identifier: Apache-2.0
"""How right the answers are: estimates, alerts and forecasts against a truth that is known."""
