# SPDX-License-Identifier: Apache-2.0
"""A crowd and a road with known truth, speaking real wire formats."""
