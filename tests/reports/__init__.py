# SPDX-License-Identifier: Apache-2.0
"""Reports for operators, from what was told."""
